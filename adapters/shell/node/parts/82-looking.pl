
# ---- file.versions, file.stat, file.show ----------------------------------------------------------------------

our $HASH_FILE   = 4_194_304;
our $HASH_BUDGET = 67_108_864;

# The bytes of a looked-at file: opened again through the very handle, so it is the same file whatever moved.
sub content_handle {
    my ($seen) = @_;
    sysopen my $file, '/proc/self/fd/' . fileno($seen->{handle}), O_RDONLY | O_NONBLOCK or return;
    return $file;
}

# Files with one inode, size and change time are one content; others are hashed while the budget lasts.
sub content_of {
    my ($seen, $known, $budget) = @_;
    return if !S_ISREG($seen->{stat}[2]);
    my $identity = join ':', @{ $seen->{stat} }[1, 7, 9];
    return $known->{$identity} if exists $known->{$identity};
    my $size = $seen->{stat}[7];
    return $known->{$identity} = undef if $size > $HASH_FILE || $size > ${$budget};
    ${$budget} -= $size;
    my $file = content_handle($seen) or return;
    my $sum = Digest::SHA->new(256);
    my $left = $HASH_FILE + 1;
    while ($left > 0) {
        my $got = sysread $file, my $bytes, $left < 65_536 ? $left : 65_536;
        return if !defined $got;
        last if !$got;
        $left -= $got;
        $sum->add($bytes);
    }
    return if $left <= 0;
    return $known->{$identity} = $sum->hexdigest;
}

sub file_versions {
    my ($args) = @_;
    my $place = place_of($args);
    my (%known, @versions, @troubles);
    my $budget = $HASH_BUDGET;
    my $absent = 0;
    for my $snapshot ({ name => 'live', class => 'live' }, reverse snapshots_of($place->{config}, $place->{dataset})) {
        my $seen = look($place, $snapshot->{name}, $place->{relative});
        if ($seen->{missing}) { $absent++; next }
        if (!$seen->{stat}) { push @troubles, { from => $snapshot->{name}, why => $seen->{trouble}, real => $seen->{real} }; next }
        push @versions, {
            from => $snapshot->{name}, class => $snapshot->{class}, guid => $snapshot->{guid}, taken => $snapshot->{taken}, hidden => $snapshot->{hidden},
            %{ stat_facts($place, $seen->{stat}) }, sha256 => scalar content_of($seen, \%known, \$budget), identity => identity($seen->{stat}),
        };
    }
    return { vmid => $args->{vmid}, path => visible($place->{path}, 4000), dataset => $place->{dataset}{dataset}, volume => $place->{volume},
        versions => \@versions, absent => $absent, troubles => \@troubles };
}

# Two versions with one identity are the very same file, unchanged between the two snapshots.
sub identity {
    my ($stat) = @_;
    return substr Digest::SHA::sha256_hex(join ':', @{$stat}[1, 2, 4, 5, 7, 9, 10]), 0, 16;
}

# Entries and bytes below a folder, without following anything. Gives up counting at the limits.
sub weigh {
    my ($handle, $count) = @_;
    $count ||= { entries => 0, bytes => 0, space => 0, complete => 1, end => Time::HiRes::time() + 20, depth => 0 };
    if ($count->{depth} > 200) { $count->{complete} = 0; return $count }
    my $names = names_in($handle);
    if (!$names) { $count->{complete} = 0; return $count }
    local $count->{depth} = $count->{depth} + 1;
    # One name in a folder that is held open: nothing of it is followed, and each costs one call.
    my $folder = '/proc/self/fd/' . fileno $handle;
    for my $name (@{$names}) {
        if (++$count->{entries} > 500_000 || Time::HiRes::time() > $count->{end}) { $count->{complete} = 0; return $count }
        my @stat = lstat "$folder/$name" or next;
        $count->{bytes} += $stat[7] if S_ISREG($stat[2]);
        $count->{space} += $stat[12] * 512;
        next if !S_ISDIR($stat[2]);
        my $entry = open_beneath($handle, $name, $O_PATH | O_NOFOLLOW | O_DIRECTORY) or next;
        weigh($entry, $count);
        return $count if !$count->{complete};
    }
    return $count;
}

# Names in an opened folder; clean, for a directory entry holds neither slash nor NUL.
sub names_in {
    my ($handle) = @_;
    opendir my $folder, '/proc/self/fd/' . fileno $handle or return;
    my @names = map { m{\A([^/\0]+)\z}x ? $1 : () } grep { $_ ne q{.} && $_ ne q{..} } readdir $folder;
    closedir $folder or return;
    return [sort @names];
}

sub file_stat {
    my ($args) = @_;
    my $place = place_of($args);
    needed_snapshot($place, $args->{from}) if $args->{from} ne 'live';
    my $seen = must_look($place, $args->{from}, $place->{relative}, 'nothing was looked at');
    my %facts = %{ stat_facts($place, $seen->{stat}) };
    if ($facts{type} eq 'directory') {
        my $weight = weigh($seen->{handle});
        @facts{qw(entries bytes complete)} = ($weight->{entries}, $weight->{bytes}, flag($weight->{complete}));
    }
    return { vmid => $args->{vmid}, path => visible($place->{path}, 4000), from => $args->{from}, %facts };
}

sub file_show {
    my ($args) = @_;
    my $place = place_of($args);
    needed_snapshot($place, $args->{from}) if $args->{from} ne 'live';
    my $seen = must_look($place, $args->{from}, $place->{relative}, 'nothing was shown');
    my %facts = (vmid => $args->{vmid}, path => visible($place->{path}, 4000), from => $args->{from}, %{ stat_facts($place, $seen->{stat}) });
    return { %facts, shown_file($seen) } if $facts{type} eq 'file';
    return { %facts, shown_folder($seen) } if $facts{type} eq 'directory';
    return \%facts if $facts{type} ne 'symlink';
    my ($above, $name) = $place->{relative} =~ m{\A(?:(.*)/)?([^/]+)\z}xs;
    my $parent = must_look($place, $args->{from}, $above // '', 'nothing was shown');
    my $target = readlink '/proc/self/fd/' . fileno($parent->{handle}) . "/$name";
    return { %facts, target => defined $target ? visible($target, 4000) : undef };
}

# The first 64 KiB when it is text. The caller decides who may see it, and masks what looks like a secret.
sub shown_file {
    my ($seen) = @_;
    my $file = content_handle($seen) or fault('refused', 'nothing was shown', "it cannot be read: $!", 'look at it inside the container');
    my $bytes = '';
    while (length $bytes < 65_536) {
        my $got = sysread $file, $bytes, 65_536 - length $bytes, length $bytes;
        fault('refused', 'nothing was shown', "it cannot be read: $!", 'look at it inside the container') if !defined $got;
        last if !$got;
    }
    my $whole = length $bytes >= $seen->{stat}[7];
    my $text = $bytes;
    # A cut in the middle of a letter is no sign of binary data.
    $text =~ s/[\xc2-\xf4][\x80-\xbf]{0,2}\z//x if !$whole;
    return (binary => true()) if $text =~ /\0/x || !utf8::decode($text);
    return (text => visible(bytes_of($text), 80_000), whole => flag($whole));
}

sub shown_folder {
    my ($seen) = @_;
    my $names = names_in($seen->{handle}) or fault('refused', 'nothing was shown', "it cannot be read: $!", 'look at it inside the container');
    my @rows;
    for my $name (@{$names}[0 .. ($#{$names} > 999 ? 999 : $#{$names})]) {
        my $entry = open_beneath($seen->{handle}, $name, $O_PATH | O_NOFOLLOW) or next;
        my @stat = stat $entry;
        push @rows, { name => visible($name, 300), nameBase64 => MIME::Base64::encode_base64($name, ''), type => kind_of(\@stat), size => $stat[7] };
    }
    return (names => \@rows, whole => flag(@{$names} <= 1000));
}

my %LOOK = (vmid => [\&a_vmid, 1], path => [\&a_path, 0], pathBase64 => [\&a_path64, 0], volume => [\&a_volume, 0]);
$VERB{'file.versions'} = { args => {%LOOK}, run => \&file_versions };
$VERB{'file.stat'} = { args => { %LOOK, from => [\&a_version, 1] }, run => \&file_stat };
$VERB{'file.show'} = { args => { %LOOK, from => [\&a_version, 1] }, run => \&file_show };
