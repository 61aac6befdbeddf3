"""Measure how often advice on photos is given, rightly and wrongly."""

if __name__ == "__main__":  # not in the processes that it starts, which import this file
    from _clone import run

    run("advice-rates")
