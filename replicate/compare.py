"""Hold another implementation against this one."""

from _clone import run

if __name__ == "__main__":
    run("compare")
