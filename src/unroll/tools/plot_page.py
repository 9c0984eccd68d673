"""A page for `dvc plots` that includes its drawing library: DVC's own page loads Vega from the web."""

import sys
from pathlib import Path

from unroll.base.files import replace_when_done

# DVC replaces {plot_divs} by the plots.
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
    <meta charset="utf-8">
    {refresh_tag}
    <title>Plots</title>
    <script>LIBRARY</script>
    <style>
        body { font-family: sans-serif; }
        table { border-spacing: 15px; }
        .vega-embed { margin: 8px; vertical-align: top; }
    </style>
</head>
<body>
    {plot_divs}
</body>
</html>
"""


def make_page() -> str:
    """Return the page's template, with Vega, Vega-Lite and Vega-Embed as an inline script."""
    import vl_convert

    library = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its types ask for what may be left out
    library = library.replace("</script", r"<\/script")  # this would end the script
    return PAGE.replace("LIBRARY", library)


if __name__ == "__main__":
    with replace_when_done(Path(sys.argv[1])) as temporary:
        temporary.write_text(make_page(), encoding="utf-8")
