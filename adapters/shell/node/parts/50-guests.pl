
# ---- guests -------------------------------------------------------------------------------------------------

# A container's config on this node: {now => {key => value}, idmap => […], text, sections => {snapshot => 1}}.
sub guest_config {
    my ($vmid) = @_;
    my $config = local_config($vmid);
    fault('not-found', "CT $vmid was not looked at", 'it is not on this node', 'ask the node it is on') if !$config;
    return $config;
}

sub local_config {
    my ($vmid) = @_;
    my $path = "$GUESTS/$vmid.conf";
    my $file;
    if (!sysopen $file, $path, O_RDONLY) {
        return if $!{ENOENT};
        fault('unavailable', "CT $vmid was not looked at", "$path cannot be read: $!", 'is pve-cluster running on this node?');
    }
    my $text = read_all($file, 1_048_576, $path);
    close $file or fault('unavailable', "CT $vmid was not looked at", "$path cannot be read: $!", 'try again');
    my %config = (now => {}, idmap => [], sections => {}, description => '');
    my $section;
    for my $line (split /\n/x, $text) {
        if ($line =~ /\A\[([^\]]+)\]\s*\z/x) { $section = $1; $config{sections}{$section} = 1 unless $section =~ /\Apve:/x; next }
        next if defined $section;
        if ($line =~ /\A\#(.*)\z/x) { $config{description} .= uri_decoded($1) . "\n"; next }
        if ($line =~ /\Alxc\.idmap\s*[:=]\s*(.*?)\s*\z/x) { push @{ $config{idmap} }, $1; next }
        $config{now}{$1} = $2 if $line =~ /\A([a-z][a-z0-9_.-]*)\s*:\s*(.*?)\s*\z/x;
    }
    return \%config;
}

sub uri_decoded {
    my ($text) = @_;
    $text =~ s/%([0-9A-Fa-f]{2})/chr hex $1/gex;
    return $text;
}

# RUNNING, STOPPED, FROZEN… A container that LXC does not know of yet (never started) is stopped.
sub guest_state {
    my ($vmid) = @_;
    my $info = command('lxc-info', ['-n', $vmid, '-s', '-H'], { wait => 10, limit => 65_536 });
    return $1 if defined $info->{code} && $info->{code} == 0 && $info->{out} =~ /\A\s*([A-Z]{3,12})\s*\z/x;
    return 'STOPPED' if $info->{err} =~ /doesn't\sexist/x;
    return fault('unavailable', "CT $vmid was not touched", 'its state cannot be read: ' . reason($info), 'look at it: pct status ' . $vmid);
}

sub must_run {
    my ($vmid, $mac) = @_;
    my $config = guest_config($vmid);
    must_be($vmid, $config, $mac) if defined $mac;
    my $state = guest_state($vmid);
    fault('conflict', "CT $vmid was not touched", 'it is ' . lc $state, $state eq 'FROZEN' ? 'wait until it is thawed' : 'start it first')
      if $state ne 'RUNNING';
    return $config;
}

# A number is given again to another guest; the MAC of net0 stays the guest's own.
sub must_be {
    my ($vmid, $config, $mac) = @_;
    my ($its) = ($config->{now}{net0} // '') =~ /(?:\A|,)hwaddr=([0-9A-Fa-f:]{17})(?:,|\z)/x;
    return if defined $its && uc $its eq $mac;
    return fault('changed', "CT $vmid was not touched", 'its network card net0 is ' . (defined $its ? uc $its : 'gone') . ", not $mac: it is another container", 'look again who is meant');
}

# Runs argv inside a container; its output and exit code are the container's word, not ours.
# `timeout` is inside as well: it ends the command even when this program is gone.
sub inside {
    my ($vmid, $argv, $opt) = @_;
    $opt ||= {};
    my $wait = $opt->{wait} || $COMMAND_WAIT;
    my $result = command('pct', ['exec', $vmid, '--keep-env', '0', '--', 'timeout', '-k', '5', $wait, @{$argv}], { %{$opt}, wait => $wait + 10 });
    $result->{late} = 1 if defined $result->{code} && $result->{code} == 124;
    if (defined $result->{code} && $result->{code} == 255 && $result->{err} =~ /not\srunning/x) {
        fault('conflict', "CT $vmid was not touched", 'it stopped meanwhile', 'start it and try again');
    }
    return $result;
}

sub ok {
    my ($result) = @_;
    return defined $result->{code} && $result->{code} == 0 && !$result->{late} && !$result->{cut};
}

# Something inside that must work, or the call ends. what: what did not happen.
sub must_inside {
    my ($vmid, $argv, $opt, $what) = @_;
    my $result = $opt->{changes} && $DRY_RUN ? told("CT $vmid:", $argv, $opt) : inside($vmid, $argv, $opt);
    return $result if ok($result);
    missing_inside($vmid, $argv, $what) if defined $result->{code} && $result->{code} == 127;
    return fault($result->{late} && $opt->{changes} ? 'in-doubt' : 'refused', $what, "$argv->[0] in CT $vmid said: " . reason($result), 'look inside the container');
}

sub missing_inside {
    my ($vmid, $argv, $what) = @_;
    return fault('unavailable', $what, "CT $vmid has no $argv->[0], or it could not start a program it needs", "install $argv->[0] in the container");
}

# One change at a time per guest on this node, also between two callers.
sub with_lock {
    my ($name, $work) = @_;
    my $made = mkdir $LOCKS, oct 700;
    my @stat = lstat $LOCKS;
    fault('unavailable', 'nothing was done', "$LOCKS cannot be made: $!", 'look at /run') if !$made && !@stat;
    fault('forbidden', 'nothing was done', "$LOCKS is not a folder of root's own", "remove $LOCKS") if !S_ISDIR($stat[2]) || $stat[4] != $OWNER || $stat[2] & oct 22;
    sysopen my $lock, "$LOCKS/$name", O_RDWR | O_CREAT | O_NOFOLLOW, oct 600
      or fault('unavailable', 'nothing was done', "no lock for $name: $!", "look at $LOCKS");
    my $end = Time::HiRes::time() + 20;
    until (flock $lock, LOCK_EX | LOCK_NB) {
        fault('conflict', 'nothing was done', "another call is changing $name", 'try again in a moment') if Time::HiRes::time() > $end;
        Time::HiRes::sleep(0.05);
    }
    my @result = $work->();
    close $lock or fault('unavailable', 'nothing was done', "the lock of $name: $!", 'try again');
    return $result[0];
}
