"""Measure how often advice on photos is given, rightly and wrongly."""

from _clone import run

if __name__ == "__main__":
    run("advice-rates")
