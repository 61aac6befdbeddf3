"""Compare a GPU's losses with the CPU's over a few training steps."""

if __name__ == "__main__":  # not in the processes that it starts, which import this file
    from _clone import run

    run("check-gpu")
