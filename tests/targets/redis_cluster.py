"""A Redis Cluster of three primaries, made from the same program as a single server."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis
from tests.plugins.redis import redis_in, redis_program
from tests.plugins.servers import Server, steady_port

SLOTS = 16_384
START_SECONDS = 30


@contextmanager
def redis_cluster_in(folder: Path) -> Iterator[list[Server]]:
    """Three nodes that share all slots, until the block is left."""
    with ExitStack() as stack:
        nodes = [stack.enter_context(_node(folder / str(number)).running()) for number in range(3)]
        third = -(-SLOTS // 3)
        for number, node in enumerate(nodes):
            with redis.Redis.from_url(node.url) as client:
                first, last = number * third, min((number + 1) * third, SLOTS) - 1
                client.execute_command("CLUSTER ADDSLOTSRANGE", first, last)
                for other in nodes[:number]:
                    port, bus = other.url.rpartition(":")[2].partition("/")[0], _bus(other)
                    client.execute_command("CLUSTER MEET", "127.0.0.1", port, bus)
        for node in nodes:
            wait_until_whole(node)
        yield nodes


def wait_until_whole(node: Server) -> None:
    """Wait until a node knows all three, and every slot."""
    until = time.monotonic() + START_SECONDS
    with redis.Redis.from_url(node.url) as client:
        while True:
            info = client.execute_command("CLUSTER INFO")
            told = info if isinstance(info, dict) else {}
            if told.get("cluster_state") == "ok" and told.get("cluster_known_nodes") == "3":
                return
            assert time.monotonic() < until, f"the cluster did not come together: {info!r}"
            time.sleep(0.05)


def _node(folder: Path) -> Server:
    folder.mkdir(parents=True)
    node = redis_in(folder, redis_program())
    more = [
        "--cluster-enabled",
        "yes",
        "--cluster-port",
        str(steady_port()),
        "--cluster-node-timeout",
        "2000",
    ]
    node.command = [*node.command, *more]
    return node


def _bus(node: Server) -> str:
    command = [str(word) for word in node.command]
    return command[command.index("--cluster-port") + 1]
