"""Figure 6 (c), (d): many articles, many humans."""

from _clone import run

if __name__ == "__main__":
    run("figure6")
