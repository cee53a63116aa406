"""Learns digits: a network with one hidden layer. Arguments: its size, the folder to write to."""

import sys
from pathlib import Path

import numpy as np
from settings import settings

BATCH = 50


def answers(weights: np.ndarray, points: np.ndarray, hidden: int) -> tuple[np.ndarray, np.ndarray]:
    """(what the hidden layer says, how likely each digit is) for pictures, one a row."""
    inner, outer = parts(weights, hidden)
    middle = np.tanh(with_one(points) @ inner)
    score = with_one(middle) @ outer
    likely = np.exp(score - score.max(axis=1, keepdims=True))
    return middle, likely / likely.sum(axis=1, keepdims=True)


def parts(weights: np.ndarray, hidden: int) -> tuple[np.ndarray, np.ndarray]:
    cut = weights.size - (hidden + 1) * 10
    return weights[:cut].reshape(-1, hidden), weights[cut:].reshape(hidden + 1, 10)


def with_one(values: np.ndarray) -> np.ndarray:
    return np.hstack([values, np.ones((len(values), 1))])


def main(hidden: int, folder: Path) -> None:
    wanted = settings("train")
    chance = np.random.default_rng(wanted["seed"])
    points = np.load("data/train-pictures.npy").astype(float)
    digits = np.load("data/train-digits.npy")
    target = np.eye(10)[digits]
    size = (points.shape[1] + 1) * hidden + (hidden + 1) * 10
    weights = chance.normal(0, 0.1, size)
    inner, outer = parts(weights, hidden)
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "loss.csv", "w") as log:
        log.write("epoch,loss\n")
        for epoch in range(int(wanted["epochs"])):
            order = chance.permutation(len(points))
            for start in range(0, len(points), BATCH):
                some = order[start : start + BATCH]
                middle, likely = answers(weights, points[some], hidden)
                error = (likely - target[some]) / len(some)
                back = error @ outer[:-1].T * (1 - middle**2)
                outer -= wanted["rate"] * with_one(middle).T @ error
                inner -= wanted["rate"] * with_one(points[some]).T @ back
            _, likely = answers(weights, points, hidden)
            loss = -np.log(likely[np.arange(len(digits)), digits]).mean()
            log.write(f"{epoch},{loss:.4f}\n")
    np.save(folder / "weights.npy", weights.astype(np.float32))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
