"""A data set of images in a project, as data loaders want it."""

from __future__ import annotations

import fsspec


class Images:
    """As `torch.utils.data.Dataset` wants it: a length, items by number, and it can be pickled."""

    def __init__(self, repo: str, rev: str) -> None:
        self.fs = fsspec.filesystem("dvc", repo=repo, rev=rev)
        self.paths = sorted(self.fs.find("images"))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, number: int) -> tuple[bytes, int]:
        path = self.paths[number]
        return self.fs.cat_file(path), int(path.split("/")[1])


def item_of(dataset: Images, number: int) -> tuple[bytes, int]:
    return dataset[number]
