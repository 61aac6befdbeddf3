"""Write a page of many swaps to sort and filter."""

from _clone import run

if __name__ == "__main__":
    run("gallery")
