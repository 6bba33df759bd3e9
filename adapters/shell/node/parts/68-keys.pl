
# ---- ct.keys.set, jump.keys.set -------------------------------------------------------------------------------

sub checked_lines {
    my ($args, $jump) = @_;
    my $number = 0;
    my %seen;
    my @lines = map { our_line('lines[' . $number++ . ']', $_, $args->{marker}, $jump) } @{ $args->{lines} };
    bad_input('the same line is given twice') if grep { $seen{$_}++ } @lines;
    return @lines;
}

# The user, their key file and its text inside the container ('' when there is none yet).
sub keys_now {
    my ($args) = @_;
    my ($vmid, $name) = @{$args}{qw(vmid user)};
    must_run($vmid, $args->{mac});
    my $user = named_user($vmid, $name) or fault('not-found', "the keys of $name in CT $vmid were not touched", 'there is no such account', 'ct.user.ensure makes it');
    fault('refused', "the keys of $name in CT $vmid were not touched", 'its home folder has a name that cannot be used', 'correct it in /etc/passwd')
      if $user->{home} !~ m{\A/[^\n]+\z}x || "$user->{home}/" =~ m{/[.][.]?/}x;
    my $folder = "$user->{home}/.ssh";
    my $file = "$folder/authorized_keys";
    my $there = existing($vmid, $user->{home}, $folder, $file);
    for my $path ($folder, $file) {
        my $kind = $there->{$path} ? $there->{$path}{kind} : next;
        fault('refused', "the keys of $name in CT $vmid were not touched", visible($path, 300) . " is a $kind", 'look at it inside the container')
          if $kind ne ($path eq $folder ? 'directory' : 'regular file') && $kind ne 'regular empty file';
    }
    my $read = $there->{$file} ? key_file($vmid, $user, $file) : { text => '' };
    fault('refused', "the keys of $name in CT $vmid were not touched", visible($file, 300) . ": $read->{why}", 'look at it inside the container') if !defined $read->{text};
    return { user => $user, folder => $folder, file => $file, text => $read->{text}, there => $there };
}

sub wanted_lines {
    my ($args) = @_;
    my @lines = checked_lines($args, 0);
    bad_input('lines that are taken over have no options') if $args->{foreign} && grep { key_line($_)->{options} ne '' } @lines;
    return @lines;
}

# Taking over lets nobody in: a key that is not there any more is not written.
sub adopted_all {
    my ($args, $text, @lines) = @_;
    my $state = remarked_state($text, $args->{marker}, 'adopt', @lines);
    return if $state->{state} eq 'done';
    return fault('changed', "the keys of $args->{user} in CT $args->{vmid} were not changed", "$state->{evidence}: the others are gone, or have options", 'look again who has which keys');
}

sub ct_keys_probe {
    my ($args) = @_;
    my @lines = wanted_lines($args);
    return remarked_state(keys_now($args)->{text}, $args->{marker}, $args->{foreign}, @lines) if $args->{foreign};
    return lines_state(keys_now($args)->{text}, $args->{marker}, @lines);
}

# Everything is done as the user: whatever links they planted lead only where they could write themselves.
sub ct_keys_set {
    my ($args) = @_;
    my ($vmid, $name) = @{$args}{qw(vmid user)};
    my @lines = wanted_lines($args);
    my $now = keys_now($args);
    my $text = $args->{foreign} ? remarked($now->{text}, $args->{marker}, $args->{foreign}, @lines) : merged($now->{text}, $args->{marker}, @lines);
    adopted_all($args, $text, @lines) if ($args->{foreign} // '') eq 'adopt';
    my $removed = scalar marked_lines($now->{text}, $args->{marker});
    my @troubles = strict_troubles($now->{user}, $now->{there}, grep { $text eq $now->{text} && $now->{there}{$_} } $now->{file});
    return { vmid => $vmid, user => $name, changed => false(), lines => scalar @lines, troubles => \@troubles } if $text eq $now->{text};
    bad_input('the key file would grow beyond 262144 bytes') if length $text > 262_144;
    ($text) = $text =~ /\A(.*)\z/xs;
    write_keys($vmid, $name, $now, $text, "the keys of $name in CT $vmid were not changed", $args->{marker});
    return { vmid => $vmid, user => $name, changed => true(), lines => scalar @lines, replaced => $removed, troubles => \@troubles };
}

sub write_keys {
    my ($vmid, $name, $now, $text, $what, $marker) = @_;
    my @as = ('runuser', '-u', $name, '--');
    my $home = $now->{user}{home};
    fault('refused', $what, 'its home folder ' . visible($home, 300) . ' is missing', "make it inside the container, owned by $name") if !$now->{there}{$home};
    my $new = "$now->{folder}/.authorized_keys." . substr Digest::SHA::sha256_hex("$marker $$ " . Time::HiRes::time()), 0, 16;
    must_inside($vmid, [@as, 'mkdir', '-p', '-m', '700', '--', $now->{folder}], { changes => 1 }, $what) if !$now->{there}{ $now->{folder} };
    my $written = eval {
        must_inside($vmid, [@as, 'dd', "of=$new", 'conv=excl,fsync', 'status=none'], { stdin => $text, changes => 1 }, $what);
        must_inside($vmid, [@as, 'chmod', '600', '--', $new], { changes => 1 }, $what);
        must_inside($vmid, [@as, 'mv', '-T', '-f', '--', $new, $now->{file}], { changes => 1 }, $what);
        1;
    };
    if (!$written) {
        my $error = $@;
        inside($vmid, [@as, 'rm', '-f', '--', $new], {});
        die $error;    # a full disk, an immutable file: the old file stands as it was
    }
    return if $DRY_RUN;
    my $read = key_file($vmid, $now->{user}, $now->{file});
    fault('in-doubt', $what, 'the file reads differently from what was written', 'look at it inside the container') if !defined $read->{text} || $read->{text} ne $text;
    return;
}

# A jump account's keys are in a folder of root's on the node (sshd: AuthorizedKeysFile), so nobody else is in the way.
sub jump_text {
    my ($args, $config) = @_;
    fault('forbidden', 'nothing was done', "this node has no jump account named $args->{user}", "add it to jump in $CONFIG") if !$config->{jump}{ $args->{user} };
    my @stat = lstat $JUMP_KEYS;
    fault('unavailable', 'nothing was done', "$JUMP_KEYS is missing", 'run the set-up of bascule setup node again') if !@stat;
    fault('forbidden', 'nothing was done', "$JUMP_KEYS is not a folder that only root can write", "chown root:root $JUMP_KEYS && chmod 755 $JUMP_KEYS")
      if !S_ISDIR($stat[2]) || $stat[4] != $OWNER || $stat[2] & (S_IWGRP | S_IWOTH);
    jump_shell($args->{user});
    return trusted_text("$JUMP_KEYS/$args->{user}", 1_048_576) // '';
}

# With a real shell, "restrict" would still let a key run commands.
sub jump_shell {
    my ($name) = @_;
    my ($line) = grep { /\A\Q$name\E:/x } split /\n/x, trusted_text($PASSWD, 4_194_304) // '';
    my @field = split /:/x, $line // '';
    fault('not-found', 'nothing was done', "there is no account $name on this node", 'run the set-up of bascule setup node again') if @field < 7;
    fault('forbidden', 'nothing was done', "the account $name can run commands (its shell is " . one_line($field[6]) . ')', "usermod --shell /usr/sbin/nologin $name")
      if $field[6] !~ m{/(?:nologin|false)\z}x || $field[2] eq '0';
    return;
}

sub jump_keys_probe {
    my ($args, $config) = @_;
    my @lines = checked_lines($args, 1);
    return lines_state(unnested(jump_text($args, $config)), $args->{marker}, @lines);
}

sub jump_keys_set {
    my ($args, $config) = @_;
    my @lines = checked_lines($args, 1);
    my $old = jump_text($args, $config);
    my $text = nested(merged($old, $args->{marker}, @lines));
    return { user => $args->{user}, changed => false(), lines => scalar @lines } if $text eq $old;
    my $file = "$JUMP_KEYS/$args->{user}";
    if ($DRY_RUN) { told('write', [$file], { stdin => $text }) }
    else          { replace_file($file, $text, oct 644) }
    return { user => $args->{user}, changed => true(), lines => scalar @lines, replaced => scalar marked_lines($old, $args->{marker}) };
}

# A whole new file in the place of the old, in a folder that only root writes.
sub replace_file {
    my ($path, $text, $mode) = @_;
    my $new = "$path.new-$$";
    my $trouble = sub { my ($step) = @_; my $why = "$!"; unlink $new; return fault('unavailable', "$path was not changed", "$step: $why", 'is the disk full?') };
    sysopen my $file, $new, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, oct 600 or $trouble->('open');
    my $left = $text;
    while (length $left) {
        my $sent = syswrite $file, $left;
        $trouble->('write') if !defined $sent;
        substr $left, 0, $sent, '';
    }
    $file->sync or $trouble->('sync');
    chmod $mode, $file or $trouble->('chmod');
    close $file or $trouble->('close');
    rename $new, $path or $trouble->('rename');
    return;
}

my %KEYS = (user => [\&a_user, 1], marker => [\&a_marker, 1], lines => [\&lines, 1]);
$VERB{'ct.keys.set'} = { args => { %KEYS, vmid => [\&a_vmid, 1], mac => [\&a_mac, 0], foreign => [sub { return a_text(@_, qr/\A(adopt|release)\z/x, 'adopt or release') }, 0] }, changes => 'vmid', run => \&ct_keys_set, probe => \&ct_keys_probe };
$VERB{'jump.keys.set'} = { args => {%KEYS}, changes => 'jump', run => \&jump_keys_set, probe => \&jump_keys_probe };
