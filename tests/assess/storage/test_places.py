from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from exporter.assess.storage.places import places_on_host, unseen_mounts
from exporter.facts.container import DeclaredMount
from exporter.facts.process import MountPoint
from tests.assess.secure import CONTAINER, DATA

ETC = MountPoint("/host", "/etc/ssh", ("ro",), "ext4", "/dev/vda1", "254:1")
ROOT = MountPoint("/", "/", ("rw",), "ext4", "/dev/vda1", "254:1")
HOST = {"254:1": (ROOT, replace(ROOT, mount_point="/mnt/etc", root="/etc"))}
ASKED = DeclaredMount("/etc/ssh", "/host", "bind", writable=False)


def test_a_mount_lies_wherever_the_host_has_that_part_of_its_device() -> None:
    assert places_on_host(ETC, HOST) == ["/etc/ssh", "/mnt/etc/ssh"]
    assert places_on_host(replace(ETC, device="0:99"), HOST) == []


def test_an_overlay_lies_where_its_directories_are_but_for_those_of_images() -> None:
    stores = ("/var/lib/containers/storage/overlay/l/" + "B" * 26, "l/" + "B" * 26)
    overlay = MountPoint("/x", "/", ("rw",), "overlay", "overlay", "0:77", ("/etc", *stores), upper="/srv/upper")
    assert places_on_host(overlay, HOST) == ["/etc", "/srv/upper"]


def test_a_mount_that_was_asked_for_is_unseen_when_nothing_is_mounted_there_nor_from_its_source() -> None:
    asked = replace(CONTAINER, mounts=(*CONTAINER.mounts, ASKED))
    assert unseen_mounts(asked, (DATA, ETC), HOST) == ()
    assert unseen_mounts(asked, (DATA,), HOST) == (ASKED,)
    # /host is a link in the image, say to /run/host.
    assert unseen_mounts(asked, (DATA, replace(ETC, mount_point="/run/host")), HOST) == ()
    assert unseen_mounts(replace(asked, mounts=(replace(ASKED, destination="/host/"),)), (ETC,), HOST) == ()


def test_nothing_is_unseen_of_a_container_whose_mounts_nobody_knows_and_of_what_is_not_the_hosts() -> None:
    asked = replace(CONTAINER, mounts=(ASKED,))
    assert unseen_mounts(asked, (), HOST) == ()
    assert unseen_mounts(None, (DATA,), HOST) == ()
    assert unseen_mounts(replace(asked, mounts=(replace(ASKED, kind="tmpfs", source=""),)), (DATA,), HOST) == ()


@given(root=st.text(), outside=st.text(), layer=st.text(), source=st.text())
def test_no_path_breaks_it(root: str, outside: str, layer: str, source: str) -> None:
    mount = MountPoint("/x", root, (), "overlay", "", "9:9", (layer,), upper=layer)
    host = {"9:9": (replace(mount, mount_point=outside, root=root[:1]),)}
    assert all(place.startswith("/") for place in places_on_host(mount, host))
    unseen_mounts(replace(CONTAINER, mounts=(replace(ASKED, source=source),)), (mount,), host)
