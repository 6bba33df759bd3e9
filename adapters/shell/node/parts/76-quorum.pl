
# ---- quorum.facts: votes and the qdevice, which the API does not tell ------------------------------------------

# A number in a line "Name: 12"; undef when the line is missing.
sub number_after {
    my ($text, $name) = @_;
    return $text =~ /^\Q$name\E:[ \t]+([0-9]{1,9})(?:\s|\z)/mx ? $1 + 0 : undef;
}

# Rows of the membership table. The Qdevice column exists only with a qdevice, which itself has the node id 0.
sub members {
    my ($text) = @_;
    my ($table) = $text =~ /^[ ]+Nodeid[ ]+Votes[^\n]*\n(.*)\z/msx or return;
    my @rows;
    for my $line (split /\n/x, $table) {
        my ($id, $votes, $rest) = $line =~ /\A(0x[0-9a-f]{1,8})[ ]+([0-9]{1,6})[ ]+(.*?)[ ]*\z/x or next;
        my ($device) = $rest =~ /\A([A-Z]{1,3}(?:,[A-Z]{1,3})*)[ ]+(?=\S)/x;
        $rest =~ s/\A\Q$device\E[ ]+//x if defined $device;
        my $local = $rest =~ s/[ ]+\(local\)\z//x;
        my $lost = $rest =~ s/[ ]+\(votes[ ]([0-9]{1,6})\)\z//x ? $1 + 0 : undef;
        push @rows, { nodeid => hex $id, votes => $votes + 0, qdevice => $device, name => visible($rest, 200), local => flag($local), votesWhenUp => $lost };
    }
    return @rows;
}

# The text decides: the exit code changed its meaning between versions of corosync (FACTS 7).
sub quorum_facts {
    my $result = command('corosync-quorumtool', ['-siH'], { wait => 15, limit => 262_144 });
    my ($quorate) = $result->{out} =~ /^Quorate:[ \t]+(Yes|No)\s*$/mx;
    fault('unavailable', 'the quorum is unknown', 'corosync-quorumtool said: ' . reason($result), 'is corosync running, and is this node part of a cluster?') if !defined $quorate;
    my ($flags) = $result->{out} =~ /^Flags:[ \t]*([^\n]*?)[ ]*$/mx;
    return {
        quorate  => flag($quorate eq 'Yes'),
        expected => number_after($result->{out}, 'Expected votes'),
        total    => number_after($result->{out}, 'Total votes'),
        needed   => number_after($result->{out}, 'Quorum'),
        blocked  => flag($result->{out} =~ /^Quorum:[^\n]*Activity[ ]blocked/mx),
        flags    => [map { visible($_, 60) } split /[ ]+/x, $flags // ''],
        members  => [members($result->{out})],
    };
}

$VERB{'quorum.facts'} = { args => {}, run => \&quorum_facts };
