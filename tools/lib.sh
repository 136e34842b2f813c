# What the scripts of this folder share; source it, do not run it.
# Sets: root (the repository), cache (downloads kept between runs), peer_root (Debian's docker.io, unpacked).

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=${GANTRY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gantry}
peer_root=$cache/docker.io
export GANTRY_CACHE=$cache

say() { printf '==> %s\n' "$*"; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# need_root: containers, mounts and cgroups are made by root.
need_root() { [ "$(id -u)" = 0 ] || die "run as root: containers need it"; }

# wait_until SECONDS WHAT COMMAND...: polls until the command succeeds, dies with WHAT at the deadline.
wait_until() {
  local deadline=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ "$SECONDS" -lt "$deadline" ] || die "waited too long for $what"
    sleep 0.05
  done
}

# stop_process PID SECONDS: SIGTERM, then SIGKILL at the deadline.
stop_process() {
  local pid=$1 deadline=$((SECONDS + $2))
  kill -TERM "$pid" 2>/dev/null || return 0
  while kill -0 "$pid" 2>/dev/null; do
    if [ "$SECONDS" -ge "$deadline" ]; then
      kill -KILL "$pid" 2>/dev/null || true
      return 1
    fi
    sleep 0.05
  done
}

# busybox_root DIR: a root file system of Debian's static busybox with a link for each applet.
busybox_root() {
  local dir=$1 applet
  mkdir -p "$dir"/{bin,dev,etc,proc,sys,tmp,root,usr}
  chmod 1777 "$dir/tmp"
  ln -sfn ../bin "$dir/usr/bin"
  cp /bin/busybox "$dir/bin/busybox"
  for applet in $("$dir/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -sf busybox "$dir/bin/$applet"
  done
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n' > "$dir/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' > "$dir/etc/group"
}

# apt_mirror: the Debian mirror that this machine's apt is set to.
apt_mirror() {
  local line
  line=$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(REPO_URI)' 2>/dev/null |
    awk '$1 == "Debian" && $2 == "bookworm" {print $3; exit}')
  [ -n "$line" ] && printf '%s\n' "$line"
}
