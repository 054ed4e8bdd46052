import pytest

SOME_TESTS = """
    import pytest

    def test_passes():
        pass

    def test_skips():
        pytest.skip("no server here")

    @pytest.mark.skip(reason="not today")
    def test_is_marked_as_skipped():
        pass

    @pytest.mark.xfail(reason="known")
    def test_fails_as_expected():
        raise AssertionError
"""

ARGS = ("-p", "tests.plugins.no_skips", "-p", "no:randomly", "-p", "no:asyncio")


def test_in_ci_skipped_tests_fail_and_say_why(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile(SOME_TESTS)
    result = pytester.runpytest(*ARGS)
    result.assert_outcomes(passed=1, failed=1, errors=1, xfailed=1)  # a skip mark acts in a test's set-up
    result.stdout.fnmatch_lines_random(["*counts as a failure: Skipped: no server here", "*not today"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_in_ci_a_skipped_module_fails(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    pytester.makepyfile("import pytest\npytest.skip('no chromium', allow_module_level=True)")
    result = pytester.runpytest(*ARGS)
    result.stdout.fnmatch_lines(["*counts as a failure: Skipped: no chromium"])
    assert result.ret != pytest.ExitCode.OK


def test_elsewhere_a_skip_is_a_skip(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    pytester.makepyfile(SOME_TESTS)
    result = pytester.runpytest(*ARGS)
    result.assert_outcomes(passed=1, skipped=2, xfailed=1)
    assert result.ret == pytest.ExitCode.OK
