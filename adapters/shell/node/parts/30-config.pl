
# ---- what this node allows ----------------------------------------------------------------------------------

# The text of a file that only root can have written; undef when there is none.
sub trusted_text {
    my ($path, $limit) = @_;
    my $file;
    if (!sysopen $file, $path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) {
        return if $!{ENOENT};
        fault('forbidden', 'nothing was done', "$path cannot be read: $!", "look at it: ls -l $path");
    }
    my @stat = stat $file;
    my $why =
        !S_ISREG($stat[2])      ? 'is not a plain file'
      : $stat[4] != $OWNER      ? 'does not belong to root'
      : $stat[2] & (S_IWGRP | S_IWOTH) ? 'can be written by others than root'
      : $stat[7] > $limit       ? 'is too large'
      :                           undef;
    fault('forbidden', 'nothing was done', "$path $why", "chown root:root $path && chmod 0644 $path, after reading what it says") if $why;
    my $text = read_all($file, $limit, $path);
    close $file or fault('forbidden', 'nothing was done', "$path cannot be read: $!", 'try again');
    return $text;
}

sub read_all {
    my ($file, $limit, $name) = @_;
    my $text = '';
    while (length $text <= $limit) {
        my $got = sysread $file, $text, 65_536, length $text;
        next if !defined $got && $!{EINTR};
        fault('unavailable', 'nothing was done', "$name cannot be read: $!", 'try again') if !defined $got;
        last if !$got;
    }
    return $text;
}

my %CONFIG_KEYS = map { $_ => 1 } qw(v vmids verbs sudo jump scripts);

# /etc/bascule-node.json: {"v":1, "vmids":["100-199",205], "verbs":["hello",…], "sudo":false, "jump":["name"],
# "scripts":["sha256 of a script that ct.script may run",…] or left out for any}
sub node_config {
    my $text = trusted_text($CONFIG, 65_536);
    fault('forbidden', 'nothing was done', "$CONFIG is missing", 'bascule setup node prints one') if !defined $text;
    my $config = eval { JSON::PP->new->utf8->max_depth(4)->decode($text) };
    config_fault('is not a JSON object') if ref $config ne 'HASH';
    for my $key (sort keys %{$config}) {
        config_fault('has a setting nobody knows: ' . one_line(bytes_of($key))) if !$CONFIG_KEYS{$key};
    }
    config_fault('is not of version 1') if !defined $config->{v} || ref $config->{v} || $config->{v} ne '1';
    return {
        vmids   => [map { vmid_range($_) } config_list($config, 'vmids')],
        verbs   => { map { $_ => 1 } map { known_verb($_) } config_list($config, 'verbs') },
        sudo    => exists $config->{sudo} ? config_flag($config->{sudo}) : 0,
        jump    => { map { $_ => 1 } map { config_name($_, qr/\A([a-z_][a-z0-9_-]{0,31})\z/x, 'jump') } config_list($config, 'jump', 1) },
        scripts => exists $config->{scripts}
          ? { map { $_ => 1 } map { config_name($_, qr/\A([0-9a-f]{64})\z/x, 'scripts') } config_list($config, 'scripts') }
          : undef,
    };
}

sub config_fault {
    my ($why) = @_;
    return fault('forbidden', 'nothing was done', "$CONFIG $why", "correct $CONFIG on this node");
}

sub config_list {
    my ($config, $key, $optional) = @_;
    return if $optional && !exists $config->{$key};
    config_fault("has no list named $key") if ref $config->{$key} ne 'ARRAY';
    return @{ $config->{$key} };
}

sub config_flag {
    my ($value) = @_;
    config_fault('says neither true nor false for sudo') if !JSON::PP::is_bool($value);
    return $value ? 1 : 0;
}

sub config_name {
    my ($value, $pattern, $key) = @_;
    return $1 if defined $value && !ref $value && $value =~ $pattern;
    return config_fault("has something in $key that cannot be right");
}

sub known_verb {
    my ($verb) = @_;
    config_fault('allows a verb that this program does not know: ' . one_line(bytes_of($verb // '')))
      if !defined $verb || ref $verb || !exists $VERB{$verb};
    return $verb;
}

sub vmid_range {
    my ($text) = @_;
    my ($from, $to) = defined $text && !ref $text && $text =~ /\A([1-9][0-9]{2,8})(?:-([1-9][0-9]{2,8}))?\z/x ? ($1, $2) : ();
    $to //= $from;
    config_fault('has a range in vmids that is none: write 103 or "100-199"') if !defined $from || $from > $to;
    return [$from + 0, $to + 0];
}

sub may_touch {
    my ($config, $vmid) = @_;
    for my $range (@{ $config->{vmids} }) {
        return 1 if $vmid >= $range->[0] && $vmid <= $range->[1];
    }
    return 0;
}
