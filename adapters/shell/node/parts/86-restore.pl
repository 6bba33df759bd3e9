
# ---- file.restore, file.undo ------------------------------------------------------------------------------------

sub a_stamp {
    my ($name, $value) = @_;
    return a_text($name, $value, qr/\A(20[0-9]{6}T[0-9]{6}Z)\z/x, 'a UTC time (20261121T003152Z)');
}

sub a_guid {
    my ($name, $value) = @_;
    return a_text($name, $value, qr/\A([0-9]{1,20})\z/x, 'the guid of a snapshot, in quotes');
}

# What was done is written down on the node, so that a probe and an undo know it: STATE/restores/VMID-RUN.json
sub record_file {
    my ($vmid, $run) = @_;
    return "$STATE/restores/$vmid-$run.json";
}

sub record_of {
    my ($vmid, $run) = @_;
    my $text = trusted_text(record_file($vmid, $run), 65_536) // return;
    my $record = eval { JSON::PP->new->utf8->max_depth(3)->decode($text) };
    fault('internal', 'nothing was done', record_file($vmid, $run) . ' is damaged', 'look at it on the node') if ref $record ne 'HASH';
    # Written by this program into a folder of root's, so its values are as clean as they were then.
    my %clean = map { $_ => defined $record->{$_} && "$record->{$_}" =~ /\A(.*)\z/xs ? $1 : undef } keys %{$record};
    return \%clean;
}

sub write_record {
    my ($vmid, $run, $record) = @_;
    return if $DRY_RUN;
    for my $folder ($STATE, "$STATE/restores") {
        next if mkdir $folder, oct 700;
        my @stat = lstat $folder;
        fault('unavailable', 'nothing was done', "$folder cannot be made", 'look at the disk of the node') if !@stat;
        fault('forbidden', 'nothing was done', "$folder is not a folder of root's own", "remove $folder") if !S_ISDIR($stat[2]) || $stat[4] != $OWNER || $stat[2] & oct 22;
    }
    replace_file(record_file($vmid, $run), JSON::PP->new->ascii->canonical->encode($record), oct 600);
    return;
}

# Names of everything a restore touches, relative to the volume's root; bytes.
sub names_of {
    my ($place, $args) = @_;
    my ($above, $name) = $place->{relative} =~ m{\A(?:(.*)/)?([^/]+)\z}xs;
    fault('refused', 'nothing was restored', 'a whole volume is not restored by its files', 'name a file or a folder; a snapshot can be rolled back') if !defined $name;
    my $folder = defined $above ? "$above/" : '';
    my $token = substr Digest::SHA::sha256_hex("$args->{run} $args->{stamp}"), 0, 8;
    my %names = (
        parent => $above // '', name => $name, target => $place->{relative}, temporary => "$folder.restore-$args->{stamp}-$token",
        kept => "$folder$name.before-restore-$args->{stamp}", beside => "$folder$name.restored-$args->{stamp}", undone => "$folder$name.undone-$args->{stamp}",
    );
    bad_input('the name is too long to keep another beside it') if length "$name.before-restore-$args->{stamp}" > 255;
    return \%names;
}

sub told_path {
    my ($place, $relative) = @_;
    return visible("$place->{point}/$relative", 4200);
}

sub restore_state {
    my ($args, $place, $names) = @_;
    my $record = record_of($args->{vmid}, $args->{run});
    my $temporary = stands($place, $names->{temporary});
    return { state => $temporary ? 'unknown' : 'absent', evidence => $temporary ? told_path($place, $names->{temporary}) . ' is there without a record' : 'no restore of this run is recorded on this node' } if !$record;
    return { state => 'unknown', evidence => 'this run restored something else: ' . visible($record->{target}, 500) } if $record->{target} ne MIME::Base64::encode_base64($names->{target}, '') || $record->{from} ne $args->{from};
    my $new = $args->{overwrite} ? $names->{target} : $names->{beside};
    return { state => 'done', evidence => "recorded as $record->{state}; it stands as " . told_path($place, $new) } if $record->{state} eq 'done' && stands($place, $new);
    return { state => 'unknown', evidence => "recorded as $record->{state}, but it does not stand there any more" } if $record->{state} ne 'begun';
    my $kept = stands($place, $names->{kept});
    return { state => 'partial', evidence => 'begun; ' . told_path($place, $names->{temporary}) . ' is left' . ($kept ? ' and the old one is ' . told_path($place, $names->{kept}) : '') } if $temporary;
    return { state => 'partial', evidence => 'begun; the old one was moved to ' . told_path($place, $names->{kept}) } if $kept;
    return { state => !$args->{overwrite} && stands($place, $names->{beside}) ? 'done' : 'absent', evidence => 'begun; nothing of it is left in the container but what stands there now' };
}

sub file_restore_probe {
    my ($args) = @_;
    my $place = place_of($args);
    return restore_state($args, $place, names_of($place, $args));
}

sub file_restore {
    my ($args) = @_;
    my $what = 'nothing was restored';
    my $place = place_of($args);
    my $names = names_of($place, $args);
    fault('conflict', $what, "CT $args->{vmid} is locked (" . one_line($place->{config}{now}{lock}) . ')', 'wait until the lock is gone') if $place->{config}{now}{lock};
    bad_input('from is live: there is nothing to restore') if $args->{from} eq 'live';
    needed_snapshot($place, $args->{from}, $args->{guid});
    my $source = must_look($place, $args->{from}, $place->{relative}, $what);
    my $old = stands($place, $names->{target});
    my $parent = must_look($place, 'live', $names->{parent}, $what);
    fault('refused', $what, told_path($place, $names->{parent}) . ' is not a folder now', 'look at it inside the container') if !S_ISDIR($parent->{stat}[2]);
    my $hands = with_hands($place, $args->{from});
    my $new = $args->{overwrite} ? $names->{target} : $names->{beside};
    my $before = restore_state($args, $place, $names);
    return restored($args, $place, $names, $new, $old && $args->{overwrite}, 0) if $before->{state} eq 'done';
    fault('in-doubt', $what, "this run has been here before: $before->{evidence}", 'look at it, then restore with a new run') if $before->{state} ne 'absent';
    fault('conflict', $what, told_path($place, $_) . ' is there already', 'try again with another time') for grep { stands($place, $_) } $names->{temporary}, $names->{beside}, $names->{kept};
    must_fit($place, $source, $what);
    my %record = (vmid => $args->{vmid}, run => $args->{run}, from => $args->{from}, overwrite => $args->{overwrite}, stamp => $args->{stamp}, state => 'begun', at => time,
        volume => $place->{volume}, point => MIME::Base64::encode_base64($place->{point}, ''), target => MIME::Base64::encode_base64($names->{target}, ''), kept => $old && $args->{overwrite} ? 1 : 0);
    write_record($args->{vmid}, $args->{run}, \%record);
    my $result = moves($hands, $names, 'restore', restore_moves($hands, $names, $new, $record{kept}));
    return {} if $DRY_RUN;
    my $left = defined $result->{code} && $result->{code} == 26 && !$result->{late};
    restore_failed($hands, $names, $result, { new => $new, kept => $record{kept}, old => $old, what => $what }) if !ok($result) && !$left;
    fault('in-doubt', $what, 'the old one is not where it was moved to', 'look at it inside the container') if $record{kept} && ((stands($place, $names->{kept}) || {})->{stat} || [0, 0])->[1] != $old->{stat}[1];
    return { %{ settled($args, $place, $names, $new, $source, \%record) }, $left ? (left => told_path($place, $names->{temporary})) : () };
}

# Said before anything is begun, so that a dry run says it too. Counted as the disk counts: holes and compression do not.
sub must_fit {
    my ($place, $source, $what) = @_;
    my $free = $place->{dataset}{free};
    my $need = $source->{stat}[12] * 512;
    $need = weigh($source->{handle})->{space} if S_ISDIR($source->{stat}[2]);
    fault('conflict', $what, "the volume is full: it takes $need bytes, $free are free", 'free some space and try again; nothing was changed') if defined $free && $need > $free;
    return;
}

# The copy is made in a folder of its own beside the target, so the target is not touched until it is whole.
# Returns the arguments of the moves, and the steps as a dry run tells them.
sub restore_moves {
    my ($hands, $names, $new, $kept) = @_;
    my ($live, $last) = ($hands->{live}, $new =~ m{([^/]+)\z}x ? $1 : '');
    my $source = "$hands->{snapshot}/$names->{target}";
    my ($beside) = $names->{kept} =~ m{([^/]+)\z}x;
    my ($temporary) = $names->{temporary} =~ m{([^/]+)\z}x;
    return (
        [$source, $temporary, $names->{name}, $last, $kept ? $beside : ''],
        [
            ['mkdir', '-m', '700', '--', "$live/$names->{temporary}"],
            ['cp', '-dRx', '--preserve=mode,ownership,timestamps,links,xattr', '--reflink=auto', '--sparse=auto', '--', $source, "$live/$names->{temporary}/"],
            ($kept ? ['mv', '-T', '--no-clobber', '--', "$live/$names->{target}", "$live/$names->{kept}"] : ()),
            ['mv', '-T', '--no-clobber', '--', "$live/$names->{temporary}/$names->{name}", "$live/$new"],
            ['rmdir', '--', "$live/$names->{temporary}"],
        ],
    );
}

# Exit codes of moves.sh: kind, what is known by it, and does the command's own word help?
my %MOVES_FAILED = (
    20  => ['changed', 'the folder it lies in is another one now'],
    21  => ['refused', 'no folder to copy into could be made', 1],
    22  => ['refused', 'it could not be copied', 1],
    23  => ['changed', 'the old one could not be moved aside'],
    24  => ['changed', 'something else took its place meanwhile'],
    25  => ['in-doubt', 'something else took its place meanwhile'],
);

# Says what went wrong and, looked at from the node, what is left of it. Never returns.
sub restore_failed {
    my ($hands, $names, $result, $wish) = @_;
    my $code = $result->{late} || $result->{cut} || !defined $result->{code} ? 0 : $result->{code};
    my $known = $MOVES_FAILED{$code};
    my $full = $result->{err} =~ /No\sspace\sleft|quota\sexceeded/x;
    my ($kind, $why, $words) = @{ $known || ['refused', 'the moves failed', 1] };
    ($kind, $why) = ('conflict', 'the volume is full') if $full;
    $why .= ': ' . reason($result) if $words;
    # Ended in the middle, it could not tidy up by itself.
    moves($hands, $names, 'clean', [$names->{temporary} =~ m{([^/]+)\z}x]) if stands_still($hands, $names->{temporary});
    $why .= '; left behind: ' . told_path($hands, $names->{temporary}) if stands_still($hands, $names->{temporary}) // 1;
    my $aside = $wish->{kept} && stands_still($hands, $names->{kept});
    $why .= '; the old one is ' . told_path($hands, $names->{kept}) if $aside;
    # Nobody knows how far an unknown end came, unless what stands there is what stood there before.
    my $now = look($hands, 'live', $wish->{new});
    my $before = $wish->{old} && $wish->{new} eq $names->{target} ? $now->{stat} && $now->{stat}[1] == $wish->{old}{stat}[1] : $now->{missing};
    $kind = 'in-doubt' if $aside || !$known && !$before;
    missing_inside($hands->{vmid}, ['cp'], $wish->{what}) if $code == 127 && $hands->{running} && $before;
    return fault($kind, $wish->{what}, $why, $full ? 'free some space and try again; nothing was changed' : 'look at it inside the container');
}

# The container's own cp is not believed: what stands there now is held against the snapshot from the node.
sub settled {
    my ($args, $place, $names, $new, $source, $record) = @_;
    my $seen = stands($place, $new);
    my @now = $seen ? @{ $seen->{stat} } : ();
    my @then = @{ $source->{stat} };
    # Owners outside the container's map become nobody: inside, they are that already.
    my $wrong = !@now ? 'it is not there' : $now[2] != $then[2] ? 'its type or mode differs' : owner_inside($place, \@now) ne owner_inside($place, \@then) ? 'its owner differs'
      : S_ISREG($then[2]) && $now[7] != $then[7] ? 'its size differs' : abs($now[9] - $then[9]) > 0.001 ? 'its time differs' : undef;
    fault('in-doubt', 'what was restored is not what the snapshot holds', "$wrong (" . told_path($place, $new) . ')', 'look at it inside the container') if defined $wrong;
    @{$record}{qw(state at ino ctime)} = ('done', time, $now[1], sprintf '%.3f', $now[10]);
    write_record($args->{vmid}, $args->{run}, $record);
    return restored($args, $place, $names, $new, $record->{kept}, 1);
}

sub owner_inside {
    my ($place, $stat) = @_;
    return id_inside($stat->[4], id_map($place->{config}, 'u')) . ':' . id_inside($stat->[5], id_map($place->{config}, 'g'));
}

sub restored {
    my ($args, $place, $names, $new, $kept, $changed) = @_;
    return { vmid => $args->{vmid}, from => $args->{from}, restored => told_path($place, $new), kept => $kept ? told_path($place, $names->{kept}) : undef,
        changed => flag($changed), undoUntil => time + 86_400 };
}

# The restore a record tells of, as its own request would have named it.
sub recorded {
    my ($args) = @_;
    my $record = record_of($args->{vmid}, $args->{run}) or fault('not-found', 'nothing was undone', 'no restore of this run is recorded on this node', 'ask the node the container was on');
    my $path = sound_path('the recorded path', MIME::Base64::decode_base64($record->{point}) . '/' . MIME::Base64::decode_base64($record->{target}));
    ($path) = $path =~ /\A(.*)\z/xs;
    my $place = place_of({ vmid => $args->{vmid}, path => $path });
    fault('changed', 'nothing was undone', 'the path lies on another volume now', 'look at it inside the container') if $place->{volume} ne $record->{volume};
    return ($record, $place, names_of($place, { run => $args->{run}, stamp => $record->{stamp} }));
}

sub file_undo_probe {
    my ($args) = @_;
    my ($record) = recorded($args);
    return { state => $record->{state} eq 'undone' ? 'done' : $record->{state} eq 'undoing' ? 'unknown' : 'absent', evidence => "recorded as $record->{state}" };
}

# Nothing that changed since is touched, and nothing is deleted.
sub file_undo {
    my ($args) = @_;
    my $what = 'nothing was undone';
    my ($record, $place, $names) = recorded($args);
    return { vmid => $args->{vmid}, changed => false(), evidence => 'it was undone before' } if $record->{state} eq 'undone';
    fault('in-doubt', $what, "the restore is recorded as $record->{state}", 'look at it inside the container') if $record->{state} ne 'done';
    fault('conflict', $what, 'more than 24 hours have passed', 'move the files by hand') if time - $record->{at} > 86_400;
    fault('conflict', $what, "CT $args->{vmid} is locked (" . one_line($place->{config}{now}{lock}) . ')', 'wait until the lock is gone') if $place->{config}{now}{lock};
    my $new = $record->{overwrite} ? $names->{target} : $names->{beside};
    my $seen = stands($place, $new);
    fault('changed', $what, told_path($place, $new) . ' was changed or moved since', 'look at it inside the container')
      if !$seen || $seen->{stat}[1] ne $record->{ino} || sprintf('%.3f', $seen->{stat}[10]) ne $record->{ctime};
    my $hands = with_hands($place, 'live');
    write_record($args->{vmid}, $args->{run}, { %{$record}, state => 'undoing' });
    my $aside = undo_moves($hands, $names, $new, $record->{kept}, $what);
    write_record($args->{vmid}, $args->{run}, { %{$record}, state => 'undone' });
    return { vmid => $args->{vmid}, changed => true(), back => $record->{kept} ? told_path($place, $names->{target}) : undef, aside => told_path($place, $aside) };
}

# The restored one becomes NAME.undone-TIME, then the old one gets its name back.
sub undo_moves {
    my ($hands, $names, $new, $kept, $what) = @_;
    my ($last, $undone, $old) = map { m{([^/]+)\z}x ? $1 : '' } $new, @{$names}{qw(undone kept)};
    my $live = $hands->{live};
    my $result = moves($hands, $names, 'undo', [$last, $undone, $names->{name}, $kept ? $old : ''], [
        ['mv', '-T', '--no-clobber', '--', "$live/$new", "$live/$names->{undone}"],
        ($kept ? ['mv', '-T', '--no-clobber', '--', "$live/$names->{kept}", "$live/$names->{target}"] : ()),
    ]);
    return $names->{undone} if $DRY_RUN;
    my $aside = stands_still($hands, $names->{undone});
    my $back = $kept ? stands_still($hands, $names->{target}) && !stands_still($hands, $names->{kept}) : 1;
    return $names->{undone} if ok($result) && $aside && $back;
    my $why = $aside ? 'the old one could not be moved back; the restored one is ' . told_path($hands, $names->{undone})
      : defined $result->{code} && $result->{code} == 24 ? 'the old one could not be moved back; the restored one stands where it stood'
      :                                                    'the restored one could not be moved aside';
    return fault('in-doubt', $what, "$why (" . reason($result) . ')', 'look at it inside the container');
}

my %WHERE = (vmid => [\&a_vmid, 1], run => [\&an_id, 1]);
$VERB{'file.restore'} = {
    args => { %WHERE, path => [\&a_path, 0], pathBase64 => [\&a_path64, 0], from => [\&a_version, 1], guid => [\&a_guid, 0], overwrite => [\&a_flag, 1], stamp => [\&a_stamp, 1] },
    changes => 'vmid', run => \&file_restore, probe => \&file_restore_probe,
};
$VERB{'file.undo'} = { args => {%WHERE}, changes => 'vmid', run => \&file_undo, probe => \&file_undo_probe };
