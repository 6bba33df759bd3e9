
# ---- ct.script: a post-install script, at most once per id ------------------------------------------------------

# The folder inside the container says what became of it: made first (so a second start fails), exit code last.
sub script_folder {
    my ($args) = @_;
    return "/var/lib/bascule/scripts/$args->{run}";
}

sub ct_script_probe {
    my ($args) = @_;
    must_run($args->{vmid});
    my $folder = script_folder($args);
    my $there = existing($args->{vmid}, $folder, "$folder/exit");
    return { state => 'absent', evidence => "no $folder in the container" } if !$there->{$folder};
    return { state => 'unknown', evidence => "$folder is there without an exit code: it was begun, and whether it ended nobody knows" } if !$there->{"$folder/exit"};
    my $read = inside($args->{vmid}, ['head', '-c', '16', '--', "$folder/exit"], {});
    return { state => 'unknown', evidence => "$folder/exit cannot be read: " . reason($read) } if !ok($read);
    my $code = one_line($read->{out});
    return { state => $code eq '0' ? 'done' : 'partial', evidence => "$folder/exit says $code" };
}

sub ct_script {
    my ($args, $config) = @_;
    my ($vmid, $folder) = ($args->{vmid}, script_folder($args));
    my $what = "the script was not run in CT $vmid";
    my $sum = Digest::SHA::sha256_hex($args->{script});
    fault('forbidden', $what, "this node does not allow the script with SHA-256 $sum", "add it to scripts in $CONFIG") if $config->{scripts} && !$config->{scripts}{$sum};
    must_run($vmid);
    must_inside($vmid, ['mkdir', '-p', '-m', '700', '--', '/var/lib/bascule/scripts'], { changes => 1 }, $what);
    my $begun = $DRY_RUN ? told("CT $vmid:", ['mkdir', '-m', '700', '--', $folder]) : inside($vmid, ['mkdir', '-m', '700', '--', $folder], {});
    fault('conflict', $what, "it was begun before under this id, or its folder cannot be made: " . reason($begun), 'probe it; a new run needs a new id') if !ok($begun);
    must_inside($vmid, ['dd', "of=$folder/script", 'conv=excl,fsync', 'status=none'], { stdin => $args->{script}, changes => 1 }, $what);
    must_inside($vmid, ['chmod', '700', '--', "$folder/script"], { changes => 1 }, $what);
    my $wait = ($args->{minutes} // 10) * 60;
    my $result = $DRY_RUN ? told("CT $vmid:", ["$folder/script"]) : inside($vmid, ["$folder/script"], { wait => $wait, limit => 1_048_576 });
    my $code = $result->{code};
    fault('in-doubt', "nobody knows how the script in CT $vmid ended", reason($result), "look at $folder inside the container") if $result->{late} || $result->{cut} || !defined $code;
    must_inside($vmid, ['dd', "of=$folder/exit", 'conv=excl,fsync', 'status=none'], { stdin => "$code\n", changes => 1 }, "the script ran in CT $vmid (exit $code), but its end was not written down");
    return { vmid => $vmid, sha256 => $sum, exit => $code, stdout => tail_of($result->{out}), stderr => tail_of($result->{err}) };
}

# The end of an output is what tells; 16 KiB of it.
sub tail_of {
    my ($bytes) = @_;
    my $text = length $bytes > 16_384 ? substr $bytes, -16_384 : $bytes;
    return { text => visible($text, 20_000), bytes => length $bytes, cut => flag(length $bytes > 16_384) };
}

sub minutes {
    my ($name, $value) = @_;
    bad_input("$name is not a number") if !defined $value || ref $value || !is_number($value);
    return $value =~ /\A([1-9]|[1-5][0-9]|60)\z/x ? $1 + 0 : bad_input("$name is not between 1 and 60");
}

$VERB{'ct.script'} = {
    args => { vmid => [\&a_vmid, 1], run => [\&an_id, 1], script => [\&a_script, 1], minutes => [\&minutes, 0] },
    changes => 'vmid', run => \&ct_script, probe => \&ct_script_probe,
};
