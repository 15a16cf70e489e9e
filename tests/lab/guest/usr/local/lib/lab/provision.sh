#!/bin/sh
# Runs once, in a boot of its own, while the base image is built: what only a running kernel can make.
set -eux
modprobe zfs
zgenhostid -f 00bab10c
zpool create -f -o cachefile=/etc/zfs/zpool.cache -O xattr=sa -O acltype=posix -O mountpoint=/data tank @POOL_DISK@
zfs create tank/containers
for shared in shared shared-no-idmap; do
    zfs create -o quota=64M "tank/$shared"
done
while read -r name quota; do
    zfs create -o quota="$quota" "tank/containers/$name"
done < /etc/lab/datasets
mkdir -p /srv/bad-no-dataset
# Containers get other user ids at every start (UserNS=auto), so the volumes are open to all of them;
# labels and mounts keep them apart.
chmod 0777 /data/shared /data/shared-no-idmap /data/containers/* /srv/bad-no-dataset
podman load --input /usr/local/lib/lab/image.tar
cd /
# Not runuser: its PAM session would start a service manager for alice in a boot that ends at once.
as_alice="env HOME=/home/alice USER=alice LOGNAME=alice XDG_RUNTIME_DIR=/run/user/1000"
setpriv --reuid alice --regid alice --init-groups $as_alice podman load --input /usr/local/lib/lab/image.tar
# A pod's pause image is built at the first use.
podman pod create --name first --network none
podman pod rm first
touch /etc/lab/provisioned
sync
echo LAB-PROVISIONED
