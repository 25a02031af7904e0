"""Blocks of the kind `shell`: commands that no test runs, by their first line, each with the reason."""

from __future__ import annotations

NOT_RUN = {
    "git clone REPOSITORY blockd && cd blockd": "installs from the network; the daemon is started as `make run` does",
    "make test": "is what runs this test",
    "blockd refresh --dry-run --popular top-names.csv": "needs a list of popular names and more versions",
    "curl -s -H 'Accept: application/json' https://blocked.example.net/orders/sample-2026-01-telegram": (
        "needs a page that faces everybody; tests/daemon/test_public_page.py asks one"
    ),
    "blockd accept casino --show": "needs a feed that the gate refuses; tests/daemon/test_accept.py runs both",
    "blockd held --feed casino": "needs held entries; tests/daemon/test_held_released.py runs it",
    'blockd held release co.id --reason "Decision 7 of the board" --as "Ms Officer"': (
        "needs one of them; tests/daemon/test_held_released.py runs both"
    ),
    "sudo useradd --system --home-dir /var/lib/blockd --shell /usr/sbin/nologin blockd": "needs root and systemd",
    "sudo usermod --append --groups blockd OFFICER": "needs root, and changes the accounts of the machine",
    "sudo chown -R blockd: /var/lib/blockd": "needs an installed service; test_refused_starts.py names it",
    "docker build -t blockd .": "needs Docker; test_dockerfile.py does its steps without",
    "curl -sN --unix-socket var/admin.sock http://localhost/api/v1/events": (
        "has no end; tests/web/api/test_events.py listens"
    ),
    "docker exec blockd blockd token add support --role read --config /etc/blockd/blockd.yaml": "the same",
    "docker exec blockd blockd reload --config /etc/blockd/blockd.yaml": "the same",
    "make deb": "needs root; test_debian_package.py installs it in a root of its own",
    "sudo apt-get install ./dist/blockd_0.3.0-1_amd64.deb": "the same",
    "sudo mv /opt/blockd /opt/blockd-before": "the same; test_mishaps.py does it without systemd",
    "sudo apt-get install --allow-downgrades ./dist/blockd_0.2.0-1_amd64.deb": "test_mishaps.py installs the older one",
    "sudo apt-get remove blockd                 # stops it; configuration and state stay": "the same",
    "setpriv --reuid=blockd --regid=blockd --init-groups --inh-caps=+net_bind_service "
    "--ambient-caps=+net_bind_service \\": "the same",
    "sudo install -d -m 750 -o root -g blockd /etc/blockd/tls": "needs root and Certbot",
    'sh compare.sh "@127.0.0.1 -p 53" "@127.0.0.1 -p 8053"': "test_moving_over.py runs it, with ports of its own",
    "for type in redirect always_transparent always_nodata always_null always_refuse always_nxdomain; do": (
        "test_moving_over.py runs it, beside an unbound.conf"
    ),
    "cdb -l blocked.cdb | python3 -c '": "test_moving_over.py runs it, beside a CDB file",
    "sudo setpriv --reuid=blockd --regid=blockd --init-groups --inh-caps=+net_bind_service "
    "--ambient-caps=+net_bind_service \\": "needs an installed service",
    "sudo systemctl restart named          # moved to 127.0.0.1 port 5300; or: sudo systemctl stop named": (
        "needs root, systemd and BIND"
    ),
    "sudo systemctl stop blockd": "needs root and systemd; test_backup.py does what follows without them",
    "sudo systemctl disable --now blockd": "needs root and systemd",
    "sudo journalctl -u blockd --since today": "needs root and systemd",
    "docker rm --force blockd": "needs Docker",
    "sudo blockd check --config /etc/blockd/blockd.yaml": "needs an installed service on two machines",
    "sudo ln -sfn blockd-0.2.0 /opt/blockd": "test_upgrade.py upgrades one, which no link leads to",
    "sudo python3 -m venv /opt/blockd-0.2.0": "needs root, and the next release",
    "sudo /opt/blockd-0.2.0/bin/blockd check --config /etc/blockd/blockd.yaml": "needs the next release",
    "source /opt/blockd/share/bash-completion/completions/blockd               # in ~/.bashrc": (
        "three shells; tests/packaging_/test_command_line.py runs their scripts"
    ),
    "openssl x509 -in certificate.pem -noout -pubkey | openssl pkey -pubin -outform DER | "
    "openssl dgst -sha256 -binary | openssl base64": "needs a certificate; tests/resolver/streams compares digests",
    "sudo install -D -m 644 config/systemd/decide.conf /etc/systemd/system/blockd.service.d/decide.conf": (
        "needs root, systemd and an installed service"
    ),
    "curl -i --unix-socket /run/blockd/decide.sock 'http://blockd/decide/url?host=web.telegram.org'": (
        "needs listen.decide; tests/daemon/test_decisions.py asks so"
    ),
    "dig @127.0.0.1 -p 8053 _dns.resolver.arpa SVCB +short": "test_encrypted_dns.py runs them, with ports of its own",
    "dig @127.0.0.1 -p 8053 id.server CH TXT +short": "test_encrypted_dns.py runs both, with ports of its own",
    "kdig -d @192.0.2.53 +tls +tls-hostname=dns.example.net +ednsopt=15:0000 web.telegram.org": (
        "needs a certificate; tests/daemon/test_structured_errors.py runs it"
    ),
    "kdig @127.0.0.1 -p 8053 -b 127.0.53.1 +proxy=10.1.2.3-127.0.0.1 telegram.org": (
        "needs a front end's address in the config; tests/daemon/test_front_ends.py runs kdig so"
    ),
    "blockd token add sari --role operator": (
        "needs somebody to sign in; tests/daemon/test_console.py does, in Chromium"
    ),
    "ssh -L 9053:127.0.0.1:9053 resolver1.example.net": "needs another machine",
    "pip install 'blockd[hsm]'": "installs from the network, and needs a token",
}
