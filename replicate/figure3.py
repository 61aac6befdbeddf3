"""Figure 3: the architecture, drawn from the graph."""

from _clone import run

if __name__ == "__main__":
    run("figure3")
