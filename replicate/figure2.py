"""Figure 2: the cycle, there and back."""

if __name__ == "__main__":  # not in the processes that it starts, which import this file
    from _clone import run

    run("figure2")
