"""data: parameters → data/raw/: the data set's files as published, fetched and checked."""

from pathlib import Path

from unroll.base.files import replace_when_done, write_json
from unroll.base.process import run_stage
from unroll.data.datasets import list_sources
from unroll.data.download import check_content, fetch, refuse_html
from unroll.params.texts import read_text_params

RAW = Path("data/raw")


def main() -> None:
    data = read_text_params().data
    files = []
    for source in list_sources(data):
        with replace_when_done(RAW / source.file_name) as temporary:
            fetch(source.location, temporary, source.parameter)
            refuse_html(temporary, source.location)
            sha256 = check_content(temporary, source.checksum, source.location)
        size = (RAW / source.file_name).stat().st_size
        files.append({"part": source.part, "name": source.file_name, "sha256": sha256, "bytes": size})
        print(f"download: {source.file_name}, {size:,} bytes, sha256 {sha256[:12]}…")
    write_json(RAW / "sources.json", files)


if __name__ == "__main__":
    run_stage(main, computes=False)
