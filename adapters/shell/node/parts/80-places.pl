
# ---- where a path of a container lies -------------------------------------------------------------------------

# A path inside a container as bytes; pathBase64 is for names that are not UTF-8.
sub a_path {
    my ($name, $value) = @_;
    my $path = a_text($name, $value, qr/\A(.{1,4096})\z/xs, 'a path');
    utf8::encode($path);
    return sound_path($name, $path);
}

sub a_path64 {
    my ($name, $value) = @_;
    my $text = a_text($name, $value, qr{\A((?:[A-Za-z0-9+/]{4})+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?|[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)\z}x, 'base64');
    return sound_path($name, MIME::Base64::decode_base64($text));
}

sub sound_path {
    my ($name, $path) = @_;
    bad_input("$name is not absolute") if $path !~ m{\A/}x;
    bad_input("$name has a NUL or a line break") if $path =~ /[\0\n\r]/x;
    bad_input("$name is longer than 4000 bytes") if length $path > 4000;
    bad_input("$name has an empty part, or . or ..") if $path ne '/' && "$path/" =~ m{//|/[.][.]?/}x;
    bad_input("$name goes into .zfs: name the snapshot in from") if "$path/" =~ m{\A(?:/[^/]+)*/[.]zfs/}x;
    bad_input("$name has a part longer than 255 bytes") if grep { length > 255 } split m{/}x, $path;
    return $path;
}

sub a_version {
    my ($name, $value) = @_;
    return a_text($name, $value, qr/\A([A-Za-z0-9_][A-Za-z0-9_.:-]{0,199})\z/x, 'live or the name of a snapshot');
}

sub a_volume {
    my ($name, $value) = @_;
    return a_text($name, $value, qr/\A((?:subvol|basevol)-[0-9]{3,9}-disk-[0-9]{1,4})\z/x, 'a volume (subvol-103-disk-0)');
}

sub path_of {
    my ($args) = @_;
    bad_input('give either path or pathBase64') if (defined $args->{path}) + (defined $args->{pathBase64}) != 1;
    return $args->{path} // $args->{pathBase64};
}

# The volume that holds a path: the longest mount point of the config that begins it.
sub mount_of {
    my ($vmid, $config, $path) = @_;
    my %at = ('/' => 'rootfs');
    for my $key (grep { /\Amp[0-9]{1,3}\z/x } keys %{ $config->{now} }) {
        my ($point) = $config->{now}{$key} =~ m{,mp=(/[^,\0\n]*?)/?(?:,|\z)}x or next;
        $at{$point} = $key if $point ne '';
    }
    for my $point (sort { length $b <=> length $a } keys %at) {
        next if $point ne '/' && index("$path/", "$point/") != 0;
        my $value = $config->{now}{ $at{$point} } // '';
        my ($volume) = $value =~ m{\A[^:,/]+:(?:[^,]*/)?((?:subvol|basevol)-[0-9]{3,9}-disk-[0-9]{1,4})(?:,|\z)}x;
        fault('unavailable', 'nothing was done', visible($path, 300) . " is on $at{$point} of CT $vmid, which is not a ZFS volume", 'only files on ZFS volumes have versions here') if !defined $volume;
        my $relative = $point eq '/' ? substr $path, 1 : length $path > length $point ? substr $path, 1 + length $point : '';
        return { point => $point eq '/' ? '' : $point, volume => $volume, relative => $relative };
    }
    return fault('internal', 'nothing was done', 'a path without a volume', 'report this');
}

# {vmid, config, path, point (mount point inside, '' for /), relative, volume, dataset, root (on the node)}
# With `volume` the path is counted from that volume's own root: how replicas of guests elsewhere are read.
sub place_of {
    my ($args) = @_;
    my ($vmid, $path) = ($args->{vmid}, path_of($args));
    my ($config, $mount);
    if (defined $args->{volume}) {
        bad_input("volume does not belong to guest $vmid") if $args->{volume} !~ /-\Q$vmid\E-/x;
        $config = local_config($vmid);
        $mount = { point => '', volume => $args->{volume}, relative => substr $path, 1 };
    }
    else {
        $config = guest_config($vmid);
        $mount = mount_of($vmid, $config, $path);
    }
    my ($dataset) = grep { $_->{volume} eq $mount->{volume} && $_->{type} eq 'filesystem' } datasets($vmid);
    fault('not-found', 'nothing was done', "$mount->{volume} is not a ZFS volume of this node", 'ask the node it is on') if !$dataset;
    fault('unavailable', 'nothing was done', "$dataset->{dataset} is not mounted on this node", "zfs mount $dataset->{dataset}") if !defined $dataset->{mountpoint};
    return { vmid => $vmid, config => $config, path => $path, %{$mount}, dataset => $dataset, root => $dataset->{mountpoint} };
}

# The folder of a version on the node.
sub version_root {
    my ($place, $from) = @_;
    return $from eq 'live' ? $place->{root} : "$place->{root}/.zfs/snapshot/$from";
}

sub needed_snapshot {
    my ($place, $from, $guid) = @_;
    my ($snapshot) = grep { $_->{name} eq $from } snapshots_of($place->{config}, $place->{dataset});
    fault('not-found', 'nothing was done', "$place->{dataset}{dataset} has no snapshot $from", 'file.versions lists them') if !$snapshot;
    fault('changed', 'nothing was done', "the snapshot $from is another one now (guid $snapshot->{guid})", 'look again') if defined $guid && $snapshot->{guid} ne $guid;
    return $snapshot;
}

# ---- opening without ever following a link --------------------------------------------------------------------

# openat2(2): the same number on every architecture Proxmox runs on. The kernel itself refuses symbolic links and
# anything above the root, so a container cannot lead a look elsewhere, not even by a race.
our $SYS_OPENAT2 = 437;
our %RESOLVE     = (NO_MAGICLINKS => 2, NO_SYMLINKS => 4, BENEATH => 8, IN_ROOT => 16);
our $O_PATH      = 0x20_0000;
our $O_CLOEXEC   = 0x8_0000;

# Returns a handle, or undef with $! set.
sub open_beneath {
    my ($folder, $relative, $flags, $resolve) = @_;
    $relative = q{.} if $relative eq '';
    my $how = pack 'QQQ', $flags | $O_CLOEXEC, 0, $resolve // ($RESOLVE{NO_MAGICLINKS} | $RESOLVE{NO_SYMLINKS} | $RESOLVE{BENEATH});
    my $fd = syscall $SYS_OPENAT2, fileno $folder, $relative, $how, length $how;
    return if $fd < 0;
    open my $handle, '<&=', $fd or return;    ## no critic (RequireBriefOpen)
    return $handle;
}

sub open_root {
    my ($place, $from) = @_;
    my $root = version_root($place, $from);
    # The trailing /. makes ZFS mount the snapshot.
    sysopen my $folder, "$root/.", O_RDONLY | O_DIRECTORY or return;
    return $folder;
}

# A version of the path, looked at: {handle, stat} or {missing => 1} or {trouble, real}.
sub look {
    my ($place, $from, $relative) = @_;
    my $root = open_root($place, $from) or return { trouble => "the snapshot cannot be opened: $!" };
    my $handle = open_beneath($root, $relative, $O_PATH | O_NOFOLLOW);
    if (!$handle) {
        return { missing => 1 } if $!{ENOENT} || $!{ENOTDIR};
        return { trouble => 'it goes through a symbolic link', real => real_path($place, $root, $relative) } if $!{ELOOP} || $!{EXDEV};
        return { trouble => "it cannot be opened: $!" };
    }
    my @stat = Time::HiRes::stat('/proc/self/fd/' . fileno $handle);
    return @stat ? { handle => $handle, stat => \@stat } : { trouble => "it cannot be looked at: $!" };
}

# Where a path with links in it really leads inside its volume, for the person who asked.
sub real_path {
    my ($place, $root, $relative) = @_;
    my $handle = open_beneath($root, $relative, $O_PATH | O_NOFOLLOW, $RESOLVE{NO_MAGICLINKS} | $RESOLVE{IN_ROOT}) or return;
    my $there = readlink '/proc/self/fd/' . fileno $handle;
    my $base = readlink '/proc/self/fd/' . fileno $root;
    return if !defined $there || !defined $base || index($there, "$base/") != 0;
    return visible($place->{point} . substr($there, length $base), 4000);
}

# A look that must find something, or the call ends.
sub must_look {
    my ($place, $from, $relative, $what) = @_;
    my $seen = look($place, $from, $relative);
    return $seen if $seen->{stat};
    my $name = visible("$place->{point}/$relative", 500) . ($from eq 'live' ? '' : " in $from");
    fault('not-found', $what, "there is no $name", 'file.versions lists what there is') if $seen->{missing};
    return fault('refused', $what, "$name: $seen->{trouble}", defined $seen->{real} ? "use the real path: $seen->{real}" : 'look at it inside the container');
}

my %KIND = (S_IFREG, 'file', S_IFDIR, 'directory', S_IFLNK, 'symlink', S_IFIFO, 'fifo', S_IFSOCK, 'socket', S_IFBLK, 'block-device', S_IFCHR, 'character-device');

sub kind_of {
    my ($stat) = @_;
    return $KIND{ S_IFMT($stat->[2]) } // 'unknown';
}

# The id maps of a container: [[inside, outside, count],…] for 'u' or 'g'.
sub id_map {
    my ($config, $which) = @_;
    my @map;
    for my $line (@{ $config ? $config->{idmap} : [] }) {
        push @map, [$1, $2, $3] if $line =~ /\A\Q$which\E\s+([0-9]{1,9})\s+([0-9]{1,10})\s+([0-9]{1,9})\z/x;
    }
    return @map if @map;
    return ([0, 0, 65_536]) if $config && ($config->{now}{unprivileged} // '0') ne '1';
    return ([0, 100_000, 65_536]);
}

# An owner as the container sees it; 65534 (nobody) for one outside its map.
sub id_inside {
    my ($id, @map) = @_;
    for my $range (@map) {
        return $id - $range->[1] + $range->[0] if $id >= $range->[1] && $id < $range->[1] + $range->[2];
    }
    return 65_534;
}

sub stat_facts {
    my ($place, $stat) = @_;
    return {
        type => kind_of($stat), size => $stat->[7], mode => sprintf('%04o', $stat->[2] & oct 7777),
        uid => id_inside($stat->[4], id_map($place->{config}, 'u')), gid => id_inside($stat->[5], id_map($place->{config}, 'g')),
        mtime => sprintf('%.6f', $stat->[9]) + 0, links => $stat->[3],
    };
}
