"""Train or swap with exported functions."""

if __name__ == "__main__":  # not in the processes that it starts, which import this file
    from _clone import run

    run("run-exported")
