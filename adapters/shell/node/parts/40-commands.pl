
# ---- running commands ---------------------------------------------------------------------------------------

# Runs a program by its argument list, in its own process group, with nothing but a fixed environment.
# opt: stdin (bytes), wait (seconds), limit (bytes of output kept; more ends the command).
# Returns {code (exit code, undef when killed), out, err, late (ran out of time), cut (said too much)}.
sub command {
    my ($name, $arguments, $opt) = @_;
    my $path = $PROGRAM{$name};
    fault('unavailable', 'nothing was done', "$name is not on this node", "is this a Proxmox VE node? $name was looked for as $path")
      if !-x $path;
    my @argv = (
        $PROGRAM{nice}, '-n', '10', $PROGRAM{ionice}, '-t', '-c', '2', '-n', '7',
        $path, map { defined $_ ? $_ : fault('internal', 'nothing was done', "an argument of $name is undefined", 'report this') } @{$arguments}
    );
    my ($child, $in, $out, $err) = spawn(@argv);
    my $result = talk($child, $in, $out, $err, $opt || {});
    return $result;
}

sub spawn {
    my (@argv) = @_;
    my @pipes = map { pipe(my $reader, my $writer) or fault('unavailable', 'nothing was done', "no pipe: $!", 'try again'); [$reader, $writer] } 1 .. 3;
    my $child = fork;
    fault('unavailable', 'nothing was done', "no new process: $!", 'try again') if !defined $child;
    if (!$child) {
        POSIX::setpgid(0, 0);
        for my $signal (qw(PIPE HUP TERM INT ALRM)) { $SIG{$signal} = 'DEFAULT' }    ## no critic (RequireLocalizedPunctuationVars)
        POSIX::dup2(fileno $pipes[0][0], 0);
        POSIX::dup2(fileno $pipes[1][1], 1);
        POSIX::dup2(fileno $pipes[2][1], 2);
        POSIX::chdir('/');
        # A refusal of perl's own (a tainted argument) must not let this copy go on as if it were the program.
        my $why = eval { no warnings 'exec'; exec { $argv[0] } @argv; 1 } ? "$!" : "$@";    ## no critic (ProhibitNoWarnings)
        POSIX::write(2, $why, length $why);
        POSIX::_exit(126);
    }
    POSIX::setpgid($child, $child);
    close $_ or next for $pipes[0][0], $pipes[1][1], $pipes[2][1];
    return ($child, $pipes[0][1], $pipes[1][0], $pipes[2][0]);
}

# Feeds and reads a command until its output ends; a left-over process that keeps a pipe open is not waited for.
sub talk {
    my ($child, $in, $out, $err, $opt) = @_;
    my $limit   = $opt->{limit} || $COMMAND_OUTPUT;
    my $end     = Time::HiRes::time() + ($opt->{wait} || $COMMAND_WAIT);
    my $feed    = defined $opt->{stdin} ? $opt->{stdin} : '';
    my %result  = (code => undef, out => '', err => '', late => 0, cut => 0);
    my %into    = (fileno($out) => 'out', fileno($err) => 'err');
    my $reading = IO::Select->new($out, $err);
    my $writing = IO::Select->new;
    my $status;
    # Ended from outside (the time limit in front of sudo): what was started goes first.
    local $SIG{TERM} = sub { kill 'TERM', -$child; POSIX::_exit(143) };
    $in->blocking(0);
    if (length $feed) { $writing->add($in) }
    else              { close $in or $feed = '' }

    while ($reading->count) {
        my ($readable, $writable) = IO::Select->select($reading, $writing, undef, 0.1);
        for my $pipe (@{ $writable || [] }) {
            my $sent = syswrite $pipe, $feed, 65_536;
            if (defined $sent) { substr $feed, 0, $sent, '' }
            next if !defined $sent && ($!{EAGAIN} || $!{EINTR});
            if (!defined $sent || !length $feed) { $writing->remove($pipe); close $pipe or $feed = '' }
        }
        for my $pipe (@{ $readable || [] }) {
            my $kind = $into{ fileno $pipe };
            my $got = sysread $pipe, $result{$kind}, 65_536, length $result{$kind};
            next if !defined $got && ($!{EINTR} || $!{EAGAIN});
            if (!$got) { $reading->remove($pipe) }
        }
        if (length($result{out}) + length($result{err}) > $limit) { $result{cut} = 1; last }
        if (Time::HiRes::time() > $end) { $result{late} = 1; last }
        if (!@{ $readable || [] } && !defined $status && waitpid($child, POSIX::WNOHANG()) == $child) {
            $status = $?;
            $end = Time::HiRes::time() + 0.5 if $end > Time::HiRes::time() + 0.5;
            $opt = { %{$opt}, ended => 1 };
        }
    }
    $status = finish($child, $result{late} || $result{cut}) if !defined $status;
    kill 'KILL', -$child if $result{late} || $result{cut};
    $result{late} = 0 if $opt->{ended};
    $result{out} = substr $result{out}, 0, $limit;
    $result{err} = substr $result{err}, 0, $limit;
    $result{code} = $status >> 8 if !($status & 127) && !$result{late} && !$result{cut};
    return \%result;
}

# The whole process group goes: killing only pct leaves the command inside the container running.
sub finish {
    my ($child, $hurry) = @_;
    kill 'TERM', -$child if $hurry;
    my $patience = Time::HiRes::time() + ($hurry ? 2 : 3600);
    while (Time::HiRes::time() < $patience) {
        return $? if waitpid($child, $hurry ? POSIX::WNOHANG() : 0) == $child;
        Time::HiRes::sleep(0.02);
    }
    kill 'KILL', -$child;
    waitpid $child, 0;
    return $?;
}

# Commands that change something. In a dry run they are only written down.
our $DRY_RUN = 0;
our @WOULD;

sub told {
    my ($name, $arguments, $opt) = @_;
    push @WOULD, { command => [map { visible($_, 500) } $name, @{$arguments}], stdin => length($opt->{stdin} // '') };
    return { code => 0, out => '', err => '', late => 0, cut => 0 };
}

# The one reason a command's result is not what was hoped for.
sub reason {
    my ($result) = @_;
    return 'it took too long and was ended' if $result->{late};
    return 'it printed too much and was ended' if $result->{cut};
    my $said = one_line($result->{err}) || one_line($result->{out});
    my $code = defined $result->{code} ? "exit code $result->{code}" : 'killed by a signal';
    return $said eq '' ? $code : "$said ($code)";
}
