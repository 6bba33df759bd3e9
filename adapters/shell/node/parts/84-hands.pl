
# ---- hands on a container's files: inside it while it runs, in the sandbox while it is stopped ------------------

our $SANDBOX = <<'END_OF_SANDBOX';
#include sandbox.pl
END_OF_SANDBOX

our $COPY_WAIT = 1800;

# Adds to a place how its files are to be touched now: `running`, and the prefixes of live and snapshot paths.
sub with_hands {
    my ($place, $from) = @_;
    my $state = guest_state($place->{vmid});
    fault('conflict', 'nothing was done', "CT $place->{vmid} is " . lc $state, 'wait until it runs or is stopped') if $state ne 'RUNNING' && $state ne 'STOPPED';
    my $running = $state eq 'RUNNING';
    return {
        %{$place}, running => $running, from => $from,
        live => $running ? "$place->{point}/" : '/dst/',
        snapshot => $running ? "$place->{point}/.zfs/snapshot/$from/" : '/src/',
    };
}

# Runs a command of coreutils on the container's files.
sub act {
    my ($place, $argv, $opt) = @_;
    return told($place->{running} ? "CT $place->{vmid}:" : 'sandbox:', $argv, $opt) if $DRY_RUN;
    return inside($place->{vmid}, $argv, $opt) if $place->{running};
    my @maps = map { my $which = $_; map { ('-m', "$which:" . join ':', @{$_}) } id_map($place->{config}, $which) } qw(u g);
    my $source = $place->{from} eq 'live' ? $place->{root} : version_root($place, $place->{from});
    my @program = @{$argv};
    $program[0] = "/usr/bin/$program[0]";
    return command('lxc-usernsexec',
        [@maps, '--', '/usr/bin/unshare', '--mount', '--net', '--ipc', '--pid', '--uts', '--fork', '--kill-child', '--mount-proc=/proc',
            '/usr/bin/perl', '-e', $SANDBOX, $source, $place->{root}, @program], $opt);
}

# An act that must work. clean: undoes what was begun before the call ends.
sub must_act {
    my ($place, $argv, $what, $clean, $opt) = @_;
    my $result = act($place, $argv, $opt || {});
    return if ok($result);
    my $why = reason($result);
    my $left = $clean ? $clean->() : '';
    missing_inside($place->{vmid}, $argv, $what) if $place->{running} && defined $result->{code} && $result->{code} == 127;
    my $full = $result->{err} =~ /No\sspace\sleft|quota\sexceeded/x;
    return fault($full ? 'conflict' : 'refused', $what, ($full ? 'the volume is full: ' : "$argv->[0] said: ") . $why . $left, $full ? 'free some space and try again; nothing was changed' : 'look at it inside the container');
}

# Is there something of this name now? Looked at from the node, so the container cannot lie about it.
sub stands {
    my ($place, $relative) = @_;
    my $seen = look($place, 'live', $relative);
    return $seen if $seen->{stat};
    return if $seen->{missing};
    return fault('refused', 'nothing was done', visible("$place->{point}/$relative", 500) . ": $seen->{trouble}", defined $seen->{real} ? "use the real path: $seen->{real}" : 'look at it inside the container');
}

# Moves without ever replacing. mv --no-clobber says 0 also when it did nothing, so both ends are looked at after.
sub moved {
    my ($place, $old, $new) = @_;
    my $result = act($place, ['mv', '-T', '--no-clobber', '--', $place->{live} . $old, $place->{live} . $new], {});
    return 1 if $DRY_RUN;
    return ok($result) && !stands($place, $old) && stands($place, $new) ? 1 : 0;
}
