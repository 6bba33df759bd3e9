
# ---- zfs.snapshots: also those that the GUI hides -------------------------------------------------------------

# Datasets of a guest on this node, replicas included: found by Proxmox's own names, so no config is needed.
sub datasets {
    my ($vmid) = @_;
    my $list = command('zfs', ['list', '-Hp', '-t', 'filesystem,volume', '-o', 'name,type,used,refer,mounted,mountpoint,available'], { wait => 30 });
    fault('unavailable', "the volumes of guest $vmid are unknown", 'zfs said: ' . reason($list), 'look at zpool status') if !ok($list);
    my @found;
    for my $line (split /\n/x, $list->{out}) {
        my ($name, $type, $used, $refer, $mounted, $mountpoint, $free) = split /\t/x, $line;
        next if !defined $mountpoint;
        my ($clean, $volume) = $name =~ m{\A([A-Za-z0-9][A-Za-z0-9_.:/ -]*/((?:subvol|basevol|vm|base)-\Q$vmid\E-(?:disk|state|cloudinit)[A-Za-z0-9_.-]*))\z}x or next;
        push @found, { dataset => $clean, volume => $volume, type => $type, used => bytes_number($used), refer => bytes_number($refer), free => bytes_number($free),
            mountpoint => $mounted eq 'yes' && $mountpoint =~ m{\A(/[^\0\n]*)\z}x ? $1 : undef };
    }
    return @found;
}

sub bytes_number {
    my ($text) = @_;
    return defined $text && $text =~ /\A([0-9]{1,19})\z/x ? $1 + 0 : undef;
}

# Which of a guest's volumes is its rootfs, which mpN: {volume => 'rootfs' | 'mp0'…}. Empty when it lives elsewhere.
sub roles {
    my ($config) = @_;
    my %role;
    for my $key (keys %{ $config ? $config->{now} : {} }) {
        next if $key !~ /\A(?:rootfs|(?:mp|scsi|virtio|sata|ide|efidisk|tpmstate)[0-9]{1,3})\z/x;
        $role{$1} = $key if $config->{now}{$key} =~ m{\A[^:,]+:(?:[^,]*/)?([A-Za-z0-9_.-]+)(?:,|\z)}x;
    }
    return \%role;
}

my %AUTOSNAP = map { $_ => 1 } qw(hourly daily weekly monthly);

# Names of proxmox-autosnap, of replication, of vzdump; the rest is somebody's own.
sub snapshot_class {
    my ($name) = @_;
    return 'replication' if $name =~ /\A__replicate_[0-9]+-[0-9]+_[0-9]+__\z/x;
    return 'autosnap' if $name =~ /\Aauto([a-z]+)[0-9]{12}\z/x && $AUTOSNAP{$1};
    return 'vzdump' if $name eq 'vzdump';
    return 'base' if $name eq '__base__';
    return 'manual';
}

# Snapshots of datasets, oldest first: the list of zfs is in the order of their making.
sub snapshots_of {
    my ($config, @datasets) = @_;
    return if !@datasets;
    my $list = command('zfs', ['list', '-Hp', '-t', 'snapshot', '-s', 'createtxg', '-o', 'name,creation,used,refer,guid,userrefs', map { $_->{dataset} } @datasets], { wait => 60 });
    fault('unavailable', 'the snapshots are unknown', 'zfs said: ' . reason($list), 'look at zpool status') if !ok($list);
    my $role = roles($config);
    my %volume = map { $_->{dataset} => $_->{volume} } @datasets;
    my @found;
    for my $line (split /\n/x, $list->{out}) {
        my ($full, $creation, $used, $refer, $guid, $holds) = split /\t/x, $line;
        my ($dataset, $name) = defined $holds ? $full =~ /\A([^@]+)@([A-Za-z0-9_.:-]{1,200})\z/x : ();
        next if !defined $name || !exists $volume{$dataset};
        push @found, {
            dataset => $dataset, volume => $volume{$dataset}, role => $role->{ $volume{$dataset} },
            name => $name, class => snapshot_class($name),
            hidden => flag(!$config || !$config->{sections}{$name}),
            taken => bytes_number($creation), used => bytes_number($used), refer => bytes_number($refer),
            guid => ($guid =~ /\A([0-9]{1,20})\z/x ? "$1" : undef), holds => bytes_number($holds) // 0,
        };
    }
    return @found;
}

sub zfs_snapshots {
    my ($args) = @_;
    my $config = local_config($args->{vmid});
    my @datasets = datasets($args->{vmid});
    my $role = roles($config);
    return {
        vmid      => $args->{vmid},
        here      => flag($config),
        volumes   => [map { { dataset => $_->{dataset}, volume => $_->{volume}, type => $_->{type}, role => $role->{ $_->{volume} }, used => $_->{used}, refer => $_->{refer} } } @datasets],
        snapshots => [snapshots_of($config, @datasets)],
    };
}

$VERB{'zfs.snapshots'} = { args => { vmid => [\&a_vmid, 1] }, run => \&zfs_snapshots };
