"""From outside to rows: data sets, downloads, archives, tables. It imports base and params."""
