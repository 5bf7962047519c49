#!/usr/bin/env bash
# The life of both packages on a box, told by whoever administers it. Runs as root in a system that is thrown away
# (`make deb-test`); ends with 0 when everything was as people expect.
set -euo pipefail
STATE=/var/lib/holdfast
FOOTAGE=$STATE/footage/cameras/gate/2026/11/03/080000.000Z_60s.mp4

says() { echo "deb-test: $*"; }
fails() {
	echo "deb-test: FAILED: $*"
	journalctl --no-pager -n 40 -u holdfast-agent -u holdfast-relay || true
	exit 1
}
trap 'fails "line $LINENO: $BASH_COMMAND"' ERR
is() { [ "$1" = "$2" ] || fails "$3: $1, not $2"; }
# Waits until a page answers; a service that dies meanwhile fails at once.
answers() {
	local unit=$1 url=$2
	for _ in $(seq 600); do
		curl -kfsS --max-time 5 "$url" > /dev/null 2>&1 && return
		[ "$(systemctl is-active "$unit")" != failed ] || fails "$unit has failed"
		sleep 0.2
	done
	fails "$url does not answer"
}
apt() { apt-get -q -y -o Dpkg::Use-Pty=0 --no-install-recommends "$@" > /root/apt.log 2>&1 || { cat /root/apt.log; fails "apt $*"; }; }
pid() { systemctl show --value -p MainPID "$1"; }
owner() { stat -c %U:%a "$1"; }

says "installed is running"
apt update
apt install /root/debs/holdfast-agent_*.deb /root/debs/holdfast-relay_*.deb
for unit in holdfast-agent holdfast-relay; do
	is "$(systemctl is-active $unit)" active "$unit"
	is "$(systemctl is-enabled $unit)" enabled "$unit"
done
answers holdfast-agent http://127.0.0.1:8080/health
answers holdfast-relay https://127.0.0.1:8443/health
is "$(owner $STATE)" holdfast:750 $STATE
is "$(owner $STATE/sdk)" holdfast:755 $STATE/sdk
is "$(owner /var/lib/holdfast-relay)" holdfast-relay:700 /var/lib/holdfast-relay
is "$(ps -o user:32= -p "$(pid holdfast-agent)" | tr -d ' ')" holdfast "who runs the agent"
is "$(dpkg-query -W -f '${Conffiles}\n' holdfast-agent holdfast-relay | grep -c ' /etc/holdfast/')" 2 "settings that dpkg knows"
is "$(dpkg --verify holdfast-agent holdfast-relay)" "" "files that differ from their package's"
systemctl show -p Slice holdfast-agent | grep -q holdfast.slice
# What the TPM wants comes later here than the user who may use it.
apt install tpm-udev
id -nG holdfast | grep -qw tss
# Nothing is wrong that a package could put right: only the vendor's library is not there.
runuser -u holdfast -- edge-agent doctor --json > /root/doctor.json || is $? 3 "the doctor"
grep -q '"edge agent"' /root/doctor.json

says "settings that were changed, and footage, outlive an upgrade"
printf '[api]\nlisten = "0.0.0.0:8090"\n' >> /etc/holdfast/agent.toml
systemctl restart holdfast-agent
answers holdfast-agent http://127.0.0.1:8090/health
head -c 100000 /dev/urandom > /root/footage
install -D -o holdfast -g holdfast /root/footage "$FOOTAGE"
footage=$(sha256sum "$FOOTAGE")
key=$(sha256sum $STATE/appliance.key)
before=$(pid holdfast-agent)
relay=$(pid holdfast-relay)
dpkg --unpack /root/next/holdfast-agent_*.deb > /root/dpkg.log
is "$(pid holdfast-agent)" "$before" "who records while the package is unpacked"
dpkg --configure holdfast-agent > /root/dpkg.log 2>&1
apt install /root/next/holdfast-relay_*.deb
answers holdfast-agent http://127.0.0.1:8090/health
answers holdfast-relay https://127.0.0.1:8443/health
[ "$(pid holdfast-agent)" != "$before" ] || fails "the old agent runs on"
[ "$(pid holdfast-relay)" != "$relay" ] || fails "the old relay runs on"
is "$(readlink "/proc/$(pid holdfast-agent)/exe")" /usr/bin/edge-agent "what runs"
is "$(sha256sum $STATE/appliance.key)" "$key" "the appliance's key"
is "$(sha256sum "$FOOTAGE")" "$footage" "footage"

says "who was switched off stays off"
systemctl disable --now holdfast-relay 2> /dev/null
apt install --reinstall /root/next/holdfast-relay_*.deb
is "$(systemctl is-enabled holdfast-relay)" disabled "the relay after an upgrade"
systemctl enable --now holdfast-relay 2> /dev/null

says "removed is stopped, and everything waits for its return"
apt remove holdfast-agent holdfast-relay
is "$(systemctl is-active holdfast-agent)" inactive "the agent"
is "$(ps -eo comm= | grep -xE 'edge-agent|cloud-relay|ffmpeg' || true)" "" "processes that are left"
[ ! -e /usr/bin/edge-agent ] || fails "the program is still there"
grep -q 8090 /etc/holdfast/agent.toml
is "$(sha256sum "$FOOTAGE")" "$footage" "footage"
apt install /root/next/holdfast-agent_*.deb /root/next/holdfast-relay_*.deb
answers holdfast-agent http://127.0.0.1:8090/health
is "$(sha256sum $STATE/appliance.key)" "$key" "the appliance's key"

says "purged is gone, but never footage"
apt purge holdfast-agent holdfast-relay
grep -q "footage .* stays in $STATE" /root/apt.log || fails "nobody was told that footage stays"
is "$(ls -A $STATE)" footage "what is left in $STATE"
is "$(sha256sum "$FOOTAGE")" "$footage" "footage"
is "$(owner "$FOOTAGE" | cut -d: -f1)" holdfast "whose footage it is"
for path in /etc/holdfast /var/lib/holdfast-relay /usr/share/doc/holdfast-agent; do
	[ ! -e $path ] || fails "$path is still there"
done
is "$(find / -xdev -name '*holdfast*' -not -path "$STATE*" -not -path '/proc/*' -not -path '/root/*' -not -path '/var/log/*' \
	-not -path '/var/cache/*' -not -path '/tmp/*' -not -path '/run/*' -not -path '/var/tmp/*' -printf '%p ')" "" "files that are left"
says "all well"
