"""Run a study: trainings with one thing changed."""

from _clone import run

if __name__ == "__main__":
    run("ablations")
