"""What Python's `huggingface_hub` finds in a cache without asking the network, as JSON:

    python read.py CACHE REPOSITORY REVISION...
"""

import json
import os
import sys
from pathlib import Path

import huggingface_hub
from huggingface_hub import scan_cache_dir, snapshot_download, try_to_load_from_cache

cache, repository, *revisions = sys.argv[1:]


def snapshot(revision: str) -> dict | None:
    """Path and bytes of the files by name; null where Python says that the snapshot is not here."""
    try:
        folder = snapshot_download(repository, revision=revision, cache_dir=cache, local_files_only=True)
    except huggingface_hub.errors.LocalEntryNotFoundError:
        return None
    files = {}
    for path in sorted(path for path in Path(folder).rglob("*") if path.is_file()):
        name = path.relative_to(folder).as_posix()
        found = try_to_load_from_cache(repository, name, cache_dir=cache, revision=revision)
        files[name] = path.stat().st_size if found and os.path.samefile(found, path) else None
    return {"folder": folder, "files": files}


scanned = scan_cache_dir(cache)
print(
    json.dumps(
        {
            "version": huggingface_hub.__version__,
            "snapshots": {revision: snapshot(revision) for revision in revisions},
            "warnings": [str(warning) for warning in scanned.warnings],
            "repositories": {
                one.repo_id: {
                    "refs": sorted(one.refs),
                    "files": one.nb_files,
                    "bytes": one.size_on_disk,
                }
                for one in scanned.repos
            },
        }
    )
)
