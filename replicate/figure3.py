"""Figure 3: the architecture, drawn from the graph."""

if __name__ == "__main__":  # not in the processes that it starts, which import this file
    from _clone import run

    run("figure3")
