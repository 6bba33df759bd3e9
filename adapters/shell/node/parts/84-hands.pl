
# ---- hands on a container's files: inside it while it runs, in the sandbox while it is stopped ------------------

our $SANDBOX = <<'END_OF_SANDBOX';
#include sandbox.pl
END_OF_SANDBOX

our $MOVES = <<'END_OF_MOVES';
#include moves.sh
END_OF_MOVES

our $COPY_WAIT = 1800;

# Adds to a place how its files are to be touched now: `running`, and where the volume and the snapshot are there.
sub with_hands {
    my ($place, $from) = @_;
    my $state = guest_state($place->{vmid});
    fault('conflict', 'nothing was done', "CT $place->{vmid} is " . lc $state, 'wait until it runs or is stopped') if $state ne 'RUNNING' && $state ne 'STOPPED';
    my $running = $state eq 'RUNNING';
    return { %{$place}, running => $running, from => $from, live => $running ? $place->{point} : '/dst', snapshot => $running ? "$place->{point}/.zfs/snapshot/$from" : '/src' };
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

# Is there something of this name now? Looked at from the node, so the container cannot lie about it.
sub stands {
    my ($place, $relative) = @_;
    my $seen = look($place, 'live', $relative);
    return $seen if $seen->{stat};
    return if $seen->{missing};
    return fault('refused', 'nothing was done', visible("$place->{point}/$relative", 500) . ": $seen->{trouble}", defined $seen->{real} ? "use the real path: $seen->{real}" : 'look at it inside the container');
}

# Is it there, or can nobody tell? For what is said after a failure, where a second failure would hide the first.
sub stands_still {
    my ($place, $relative) = @_;
    my $seen = look($place, 'live', $relative);
    return $seen->{stat} ? 1 : $seen->{missing} ? 0 : undef;
}

# Runs moves.sh. steps: what a dry run tells instead.
sub moves {
    my ($place, $names, $what, $arguments, $steps) = @_;
    if ($DRY_RUN) {
        act($place, $_, {}) for @{$steps};
        return { code => 0, out => '', err => '' };
    }
    my $parent = join q{/}, grep { $_ ne '' } $place->{live}, $names->{parent};
    return act($place, ['sh', '-c', $MOVES, 'sh', $what, $parent =~ m{\A(/.*)\z}xs ? $1 : "/$parent", @{$arguments}], { wait => $COPY_WAIT });
}
