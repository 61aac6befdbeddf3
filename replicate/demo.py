"""Open a local page that dresses photos."""

from _clone import run

if __name__ == "__main__":
    run("demo")
