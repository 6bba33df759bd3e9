#!/bin/sh
# container.sh pool FILESYSTEM | make|start|stop|remove VMID | snapshot|seal VMID NAME
# An unprivileged container whose root is a volume with the node's /usr in it, and snapshots of that volume where ZFS
# shows them. On btrfs the volume is a subvolume and its snapshots are real ones; on ext4 they are folders.
set -eu
pool=/var/lib/bascule-test
id=${2:-} root=$pool/rpool/subvol-${2:-}-disk-0 lxc=/var/lib/lxc/${2:-}
snapshot=$root/.zfs/snapshot/${3:-}
on_btrfs() { [ "$(stat -f -c %T "$1")" = btrfs ]; }
case $1 in
pool)
  mkdir -p "$pool"
  truncate -s 8G /var/lib/bascule-test.img
  mkfs -t "$2" -q /var/lib/bascule-test.img >/dev/null
  mount -o loop /var/lib/bascule-test.img "$pool" ;;
make)
  mkdir -p "$pool/rpool" "$lxc" /etc/pve/lxc
  if on_btrfs "$pool"; then btrfs -q subvolume create "$root"; else mkdir -p "$root"; fi
  chmod 755 "$pool" "$pool/rpool" "$root" "$lxc" /var/lib/lxc
  cd "$root"
  mkdir -p usr etc/pam.d etc/default etc/security etc/skel etc/sudoers.d home root var/lib var/mail var/tmp tmp run/sshd proc sys dev .zfs/snapshot
  chmod 1777 tmp var/tmp; chmod 700 root
  for name in bin sbin lib lib64; do [ -e "$name" ] || ln -s "usr/$name" "$name"; done
  cp /etc/login.defs /etc/nsswitch.conf /etc/ld.so.cache etc/
  cp -r /etc/pam.d/. etc/pam.d/; cp -r /etc/security/. etc/security/; cp /etc/default/useradd etc/default/
  cp -rL /etc/alternatives etc/ 2>/dev/null || :
  printf 'root:x:0:0:root:/root:/bin/bash\nsshd:x:105:65534::/run/sshd:/usr/sbin/nologin\nnobody:x:65534:65534::/:/usr/sbin/nologin\n' > etc/passwd
  printf 'root:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\nnobody:*:19000:0:99999:7:::\n' > etc/shadow
  printf 'root:x:0:\nsudo:x:27:\nshadow:x:42:\nnogroup:x:65534:\n' > etc/group
  printf 'root:*::\nsudo:*::\nshadow:*::\nnogroup:*::\n' > etc/gshadow
  chmod 640 etc/shadow etc/gshadow
  find . -xdev -exec chown -h 100000:100000 {} +
  chown 0:0 .zfs .zfs/snapshot
  cat > "$lxc/config" <<END
lxc.rootfs.path = dir:$root
lxc.uts.name = ct$id
lxc.idmap = u 0 100000 65536
lxc.idmap = g 0 100000 65536
lxc.mount.auto = proc:mixed sys:ro
lxc.mount.entry = /usr usr none bind,ro 0 0
lxc.net.0.type = empty
lxc.init.cmd = /usr/bin/sleep infinity
lxc.apparmor.profile = unconfined
END
  printf 'hostname: ct%s\nrootfs: local-zfs:subvol-%s-disk-0,size=1G\nunprivileged: 1\n' "$id" "$id" > "/etc/pve/lxc/$id.conf"
  for file in /etc/subuid /etc/subgid; do grep -qx 'root:100000:65536' "$file" 2>/dev/null || echo 'root:100000:65536' >> "$file"; done ;;
start) lxc-start -n "$id" && lxc-wait -n "$id" -s RUNNING -t 20 ;;
stop) lxc-stop -k -n "$id" || :; lxc-wait -n "$id" -s STOPPED -t 20 ;;
snapshot)
  if on_btrfs "$root"; then
    [ ! -e "$snapshot" ] || btrfs -q subvolume delete "$snapshot"
    btrfs -q subvolume snapshot "$root" "$snapshot"
    rm -rf "$snapshot/.zfs"
  else
    rm -rf --one-file-system "$snapshot"
    mkdir "$snapshot"
    for name in etc srv; do [ ! -e "$root/$name" ] || cp -a "$root/$name" "$snapshot/"; done
  fi
  echo "$snapshot" ;;
seal) if on_btrfs "$root"; then btrfs property set -ts "$snapshot" ro true; fi ;;
remove)
  lxc-stop -k -n "$id" 2>/dev/null || :
  if mountpoint -q "$pool"; then umount "$pool"; fi
  rm -f /var/lib/bascule-test.img
  rm -rf --one-file-system "$root" "$lxc" "/etc/pve/lxc/$id.conf" ;;
esac
