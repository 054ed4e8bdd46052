import pytest
import redis
from tests.plugins.redis import RedisTls
from tests.plugins.servers import Server


def test_redis_is_durable_and_on_loopback(redis_server: str, own_name: str) -> None:
    with redis.Redis.from_url(redis_server, decode_responses=True) as client:
        assert client.set(own_name, "kept")
        assert client.config_get("appendfsync") == {"appendfsync": "always"}
        assert client.config_get("bind") == {"bind": "127.0.0.1"}


def test_redis_with_tls_wants_the_password_and_shows_its_certificate(redis_tls: RedisTls) -> None:
    with redis.Redis.from_url(redis_tls.url, ssl_ca_certs=str(redis_tls.authority)) as client:
        assert client.ping()
    with (
        redis.Redis.from_url(redis_tls.url) as stranger,
        pytest.raises(redis.ConnectionError, match="certificate"),
    ):
        stranger.ping()
    without = redis_tls.url.replace(redis_tls.url.partition("//")[2].partition("@")[0] + "@", "")
    nobody = redis.Redis.from_url(without, ssl_ca_certs=str(redis_tls.authority))
    with nobody, pytest.raises(redis.AuthenticationError):
        nobody.ping()


def test_a_killed_redis_comes_back_with_what_it_acknowledged(killable_redis: Server) -> None:
    with redis.Redis.from_url(killable_redis.url, decode_responses=True) as client:
        client.set("n", "1")
        killable_redis.kill()
        with pytest.raises(redis.ConnectionError):
            client.get("n")
        killable_redis.start()
        assert client.get("n") == "1"


def test_a_test_that_asks_for_redis_is_marked(request: pytest.FixtureRequest, redis_server: str) -> None:
    assert redis_server.startswith("redis://127.0.0.1:")
    assert request.node.get_closest_marker("server")
