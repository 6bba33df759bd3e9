
# ---- ct.unlock: take the lock of a create that was killed -------------------------------------------------------

# A task id's parts. Its process is named by pid and start time, so a reused pid is told apart.
sub upid_parts {
    my ($upid) = @_;
    my (undef, $node, $pid, $pstart, $start, $type, $id, $user) = split /:/x, $upid;
    return { node => $node, pid => hex $pid, pstart => hex $pstart, start => $start, type => $type, id => $id, user => $user };
}

sub task_lives {
    my ($task) = @_;
    open my $file, '<', "/proc/$task->{pid}/stat" or return 0;
    my $stat = read_all($file, 4096, 'a process');
    close $file or return 0;
    # Field 22, the start time, counted after the name in brackets, which may hold anything.
    my @field = split /[ ]/x, $stat =~ /\)[ ](.*)\z/xs ? $1 : '';
    return defined $field[19] && $field[19] == $task->{pstart};
}

# Tasks of this node that still run and make this guest.
sub running_creates {
    my ($vmid) = @_;
    my $text = trusted_or_pve("$TASKS/active");
    my @live;
    for my $line (split /\n/x, $text) {
        my ($upid) = $line =~ /\A(UPID:[A-Za-z0-9-]+:[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:(?:vzcreate|vzrestore|vzclone|vzmigrate|qmrestore):\Q$vmid\E:[^:\s]+:)/x or next;
        push @live, $upid if task_lives(upid_parts($upid));
    }
    return @live;
}

# Files of Proxmox's own, written by root or www-data.
sub trusted_or_pve {
    my ($path) = @_;
    my $file;
    if (!sysopen $file, $path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) {
        return '' if $!{ENOENT};
        fault('unavailable', 'nothing was done', "$path cannot be read: $!", 'look at it on the node');
    }
    my $text = read_all($file, 4_194_304, $path);
    close $file or fault('unavailable', 'nothing was done', "$path cannot be read: $!", 'try again');
    return $text;
}

# A task that is known on this node and has ended: its log is kept under the last digit of its start time.
sub ended_task {
    my ($upid) = @_;
    my $task = upid_parts($upid);
    my $folder = substr $task->{start}, -1;
    return -f "$TASKS/$folder/$upid" && !task_lives($task);
}

# Why a lock may be taken, as evidence; or the call ends.
sub right_to_unlock {
    my ($args, $config) = @_;
    my $vmid = $args->{vmid};
    my $what = "CT $vmid was not unlocked";
    fault('conflict', $what, 'a task that makes it is still running', 'wait for that task, or stop it') if running_creates($vmid);
    return "its description carries $args->{marker}" if $config->{description} =~ /(?:\A|\s)\Q$args->{marker}\E(?:\s|\z)/x;
    my $bare = join(',', sort keys %{ $config->{now} }) eq 'lock' && $config->{description} eq '' && !%{ $config->{sections} };
    fault('forbidden', $what, "its description does not carry $args->{marker}", 'look at it; pct unlock on the node is for people') if !$bare;
    fault('forbidden', $what, 'it holds nothing but the lock, so only the task that made it can tell whose it is', 'give the task id (upid) of the create') if !defined $args->{upid};
    my $task = upid_parts($args->{upid});
    fault('forbidden', $what, 'the task given is not the making of this guest', 'give the task id of the create') if $task->{type} ne 'vzcreate' || $task->{id} ne "$vmid";
    fault('forbidden', $what, 'the task given is unknown on this node, or still runs', 'ask the node that ran the create') if !ended_task($args->{upid});
    return 'it holds nothing but the lock of the ended task given';
}

sub ct_unlock_probe {
    my ($args) = @_;
    my $config = local_config($args->{vmid});
    return { state => 'unknown', evidence => "guest $args->{vmid} is not on this node" } if !$config;
    my $lock = $config->{now}{lock} or return { state => 'already', evidence => 'it is not locked; who unlocked it is not recorded' };
    return { state => 'absent', evidence => 'it is locked (' . one_line($lock) . ')' };
}

sub ct_unlock {
    my ($args) = @_;
    my $vmid = $args->{vmid};
    my $config = guest_config($vmid);
    my $lock = $config->{now}{lock};
    return { vmid => $vmid, changed => false(), evidence => 'it is not locked' } if !defined $lock || $lock eq '';
    fault('forbidden', "CT $vmid was not unlocked", 'its lock is ' . one_line($lock) . ', not that of a create', 'pct unlock on the node is for people') if $lock ne 'create';
    my $evidence = right_to_unlock($args, $config);
    my $result = $DRY_RUN ? told('pct', ['unlock', $vmid]) : command('pct', ['unlock', $vmid], { wait => 60 });
    fault($result->{late} ? 'in-doubt' : 'refused', "CT $vmid was not unlocked", 'pct said: ' . reason($result), 'look at pct config ' . $vmid) if !ok($result);
    return { vmid => $vmid, changed => true(), evidence => $evidence };
}

$VERB{'ct.unlock'} = {
    args => { vmid => [\&a_vmid, 1], marker => [\&a_marker, 1], upid => [\&an_upid, 0] },
    changes => 'vmid', run => \&ct_unlock, probe => \&ct_unlock_probe,
};
