"""Which variables count as secrets, as a table."""

from __future__ import annotations

import pytest

from evidence.redact import find_secrets

SECRET = {
    "GITHUB_TOKEN": "ghp_abcdefgh",
    "githubToken": "ghp_abcdefgh",
    "NPM_CONFIG_TOKEN": "abc",
    "CLIENT_SECRET": "abcdefgh",
    "PGPASSWORD": "12345678",
    "DB_PASS": "abcdefgh",
    "DB_PWD": "abcdefgh",
    "SSH_PASSPHRASE": "correct horse",
    "OPENAI_API_KEY": "sk-abcdefgh",
    "APIKEY": "abcdefgh",
    "AWS_ACCESS_KEY_ID": "AKIAABCDEFGH",
    "AWS_SECRET_ACCESS_KEY": "/not/there/abcdefgh",
    "DEPLOY_PRIVATE_KEY": "-----BEGIN",
    "SESSION_KEY": "abcdefgh",
    "GOOGLE_CREDENTIALS": '{"type": "x"}',
    "SESSION_COOKIE": "abcdefgh",
    "BASIC_AUTH": "bob:geheim99",
    "REGISTRY_AUTHORIZATION": "Bearer abcdefgh",
    "SENTRY_DSN": "https://abcdefgh@sentry/1",
    "GITHUB_PAT": "abcdefgh",
    "CONNECTION_STRING": "abcdefgh",
    "DATABASE_URL": "postgres://bob:geheim99@db/x",
    "SETTINGS": "AccountName=x;AccountKey=abcdefgh",
    "SLACK_WEBHOOK_URL": "https://hooks/services/T/B/X",
    "TOKEN_REQUEST_URL": "https://host/x?sig=abcdefgh",
}
HARMLESS = {
    "SSH_AUTH_SOCK": "/tmp/ssh-x/agent.1",
    "GPG_TTY": "/dev/pts/0",
    "PWD": "/home/bob/work",
    "OLDPWD": "/home/bob",
    "PATH": "/usr/bin:/bin",
    "HOME": "/home/bob",
    "TOKENIZERS_PARALLELISM": "false-ish",
    "MAX_TOKENS": "4096",
    "USE_SECRETS": "true",
    "AUTH": "1",
    "API_KEY": "",
    "PASSWORD_FILE": "/run/secrets/db",
    "GOOGLE_APPLICATION_CREDENTIALS": "/there/key.json",
    "TOKEN_URL": "https://login.example/oauth/token",
    "SECRET_NAME": "projects/x/secrets/y",
    "AUTHOR": "Bob Builder",
    "GIT_AUTHOR_NAME": "Bob Builder",
    "COMPASS": "north-west",
    "XAUTHORITY": "/there/.Xauthority",
    "DATABASE": "postgres://bob@db/x",
    "KEYBOARD": "de-latin1",
    "123": "456",
}


@pytest.mark.parametrize("name", SECRET)
def test_counts_as_secret(name: str) -> None:
    assert find_secrets({name: SECRET[name]}, exists=lambda path: False) == {name: SECRET[name]}


@pytest.mark.parametrize("name", HARMLESS)
def test_does_not_count_as_secret(name: str) -> None:
    there = HARMLESS[name].startswith("/there")
    assert find_secrets({name: HARMLESS[name]}, exists=lambda path: there) == {}


def test_a_declared_name_counts_whatever_it_holds() -> None:
    environ = {"PLAIN": "abcdefgh", "SSH_AUTH_SOCK": "/there", "EMPTY": ""}
    declared = ("PLAIN", "SSH_AUTH_SOCK", "EMPTY", "ABSENT")
    assert set(find_secrets(environ, declared)) == {"PLAIN", "SSH_AUTH_SOCK"}
