"""From texts to token ids: cleaning, vocabulary, encoding. It imports base and params."""
