"""From outside sources to rows: data sets, downloads, archives, tables. It imports base and params."""
