# What one machine of the rig is made of; process 1 of its namespaces (tests/hosts/rig.py).
#
# NAME ADDRESS/BITS HOSTS SEEN...: HOSTS are the machines as lines of /etc/hosts, SEEN the paths that
# it shares with the real file system though they lie below a directory that it has of its own. Says "ready for the cable" and reads the name of its end.
set -eu
name=$1 address=$2 hosts=$3
shift 3
hostname "$name"

# Behind a mount nothing is seen any more, so what is to be seen waits elsewhere meanwhile.
keys=$(cd /mnt && tar c host_key user_key.pub | base64)
mount -t tmpfs -o mode=0755 tmpfs /mnt
mkdir -m 0700 /mnt/keys
echo "$keys" | base64 -d | tar x -C /mnt/keys
count=0
for path in "$@"; do
  mkdir "/mnt/$count"
  mount --bind "$path" "/mnt/$count"
  count=$((count + 1))
done
for own in /tmp /root /home /run; do mount -t tmpfs -o mode=0755 tmpfs "$own"; done
chmod 1777 /tmp
mount -t tmpfs -o mode=1777,size=512m tmpfs /dev/shm
count=0
for path in "$@"; do
  mkdir -p "$path"
  mount --bind "/mnt/$count" "$path"
  mount -o remount,bind,ro "$path"
  count=$((count + 1))
done

mount -o remount,bind,ro /

mkdir -p /run/sshd /root/.ssh
chmod 0700 /root /root/.ssh
printf '127.0.0.1 localhost\n%s\n' "$hosts" > /run/hosts
mount --bind /run/hosts /etc/hosts
cp /mnt/keys/user_key.pub /root/.ssh/authorized_keys
cat > /run/sshd_config <<CONFIG
HostKey /mnt/keys/host_key
PidFile none
ListenAddress ${address%/*}
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PrintMotd no
MaxStartups 100
CONFIG

# Its end of the cable is put here from outside, and named then.
ip link set lo up
echo ready for the cable
read -r cable
ip link set "$cable" name eth0
ip address add "$address" dev eth0
ip link set eth0 up
exec /usr/sbin/sshd -D -e -f /run/sshd_config
