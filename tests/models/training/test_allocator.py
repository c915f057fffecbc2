import platform
import sys

from models.training.allocator import keep_freed_memory


def test_glibc_takes_the_settings_and_nothing_else_is_touched() -> None:
    has_glibc = sys.platform == "linux" and platform.libc_ver()[0] == "glibc"
    assert keep_freed_memory() is has_glibc
