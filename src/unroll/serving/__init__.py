"""`unroll serve`: the model in models/ as an HTTP service with a page to try it. Nothing else imports this room."""
