
# ---- ct.users, ct.user.ensure, ct.user.remove -----------------------------------------------------------------

# Users of a container from its own passwd, shadow and group in one round trip; told apart by their colons.
sub users_of {
    my ($vmid) = @_;
    my $read = must_inside($vmid, ['cat', '--', '/etc/passwd', '-', '/etc/shadow', '/etc/group'], { stdin => "\n" }, "the users of CT $vmid are unknown");
    my (@users, %shadow, %member);
    for my $line (split /\n/x, $read->{out}) {
        my @field = split /:/x, $line, -1;
        if (@field == 7) {
            my ($name) = $field[0] =~ /\A([A-Za-z0-9_][A-Za-z0-9_.-]{0,31}\$?)\z/x or next;
            push @users, { name => $name, uid => $field[2] =~ /\A([0-9]{1,10})\z/x ? $1 + 0 : -1, gecos => $field[4],
                home => $field[5] =~ m{\A(/[^\0]{0,1000})\z}x ? $1 : '/', shell => $field[6], gid => $field[3] };
        }
        elsif (@field == 9) { $shadow{ $field[0] } = { password => $field[1], expires => $field[7] } }
        elsif (@field == 4) { $member{$_}{ $field[0] } = 1 for split /,/x, $field[3] }
    }
    for my $user (@users) {
        my $shadow = $shadow{ $user->{name} } || { password => '', expires => '' };
        $user->{locked} = $shadow->{password} =~ /\A[!*]/x ? 1 : 0;
        $user->{expired} = $shadow->{expires} =~ /\A[0-9]{1,9}\z/x && $shadow->{expires} * 86_400 < time ? 1 : 0;
        $user->{groups} = [sort keys %{ $member{ $user->{name} } || {} }];
    }
    return @users;
}

# GECOS cannot hold a colon.
sub gecos_of {
    my ($marker) = @_;
    (my $gecos = $marker) =~ tr/:/=/;
    return $gecos;
}

sub sudo_file {
    my ($user) = @_;
    return "/etc/sudoers.d/bascule-$user";
}

# Existing ones of some paths inside, looked at without following a last symbolic link: {path => what it is}.
sub existing {
    my ($vmid, @paths) = @_;
    return {} if !@paths;
    my $seen = inside($vmid, ['stat', '-c', '%F|%a|%u|%n', '--', @paths], {});
    missing_inside($vmid, ['stat'], 'nothing was done') if defined $seen->{code} && $seen->{code} == 127;
    fault('refused', 'nothing was done', "stat in CT $vmid said: " . reason($seen), 'look inside the container')
      if !defined $seen->{code} || $seen->{late} || $seen->{cut} || $seen->{code} > 1;
    my %found;
    for my $line (split /\n/x, $seen->{out}) {
        $found{$4} = { kind => $1, mode => oct $2, uid => $3 } if $line =~ /\A([a-z\ -]{3,40})[|]([0-7]{1,5})[|]([0-9]+)[|](.+)\z/x;
    }
    return \%found;
}

sub ct_users {
    my ($args) = @_;
    my $vmid = $args->{vmid};
    must_run($vmid);
    my @users = users_of($vmid);
    fault('refused', "the users of CT $vmid are unknown", 'its passwd names more than 2000', 'look inside the container') if @users > 2000;
    my %file;
    for my $user (@users) { $file{ $user->{home} . $_ } = 1 for '', map { "/.ssh$_" } '', '/authorized_keys', '/authorized_keys2' }
    my $there = existing($vmid, (sort keys %file), map { sudo_file($_->{name}) } grep { $_->{uid} >= 1000 } @users);
    my @told;
    my $reads = 0;
    for my $user (@users) {
        my @files = grep { $there->{$_} } map { "$user->{home}/.ssh/$_" } qw(authorized_keys authorized_keys2);
        my $person = $user->{uid} >= 1000 && $user->{uid} < 65_534;
        next if !@files && !$person;
        # Each file is one more round trip, and a container decides how many there are.
        $reads += @files;
        fault('refused', "the users of CT $vmid are unknown", 'more than 100 key files are in it', 'look inside the container') if $reads > 100;
        push @told, told_user($vmid, $user, $there, @files);
    }
    return { vmid => $vmid, users => \@told };
}

my %ADMIN = map { $_ => 1 } qw(sudo wheel admin root);

sub told_user {
    my ($vmid, $user, $there, @files) = @_;
    my @keys;
    my @troubles = strict_troubles($user, $there, @files);
    for my $file (@files) {
        my $read = key_file($vmid, $user, $file);
        if (defined $read->{text}) { push @keys, map { +{ %{$_}, file => visible($file, 300) } } key_facts($read->{text}) }
        else                       { push @troubles, visible("$file: $read->{why}", 500) }
    }
    my $sudo = $user->{uid} == 0 || $there->{ sudo_file($user->{name}) } || grep { $ADMIN{$_} } @{ $user->{groups} };
    return {
        name => $user->{name}, uid => $user->{uid}, shell => visible($user->{shell}, 200), home => visible($user->{home}, 300),
        locked => flag($user->{locked}), expired => flag($user->{expired}), sudo => flag($sudo), groups => [map { visible($_, 100) } @{ $user->{groups} }],
        ours => flag($user->{gecos} =~ /\Abascule=/x), note => visible($user->{gecos}, 200), keys => \@keys, troubles => \@troubles,
    };
}

# Why sshd would take no key of theirs: its StrictModes wants the home, .ssh and the file to be theirs or root's, and
# nobody else able to write there. Links are told only: sshd judges what they lead to.
sub strict_troubles {
    my ($user, $there, @files) = @_;
    my @troubles;
    for my $path ($user->{home}, "$user->{home}/.ssh", @files) {
        my ($name, $seen) = (visible($path, 300), $there->{$path});
        push @troubles, "its home folder $name is missing" if !$seen && $path eq $user->{home};
        next if !$seen;
        my $fits = (grep { $path eq $_ } @files) ? $seen->{kind} =~ /\Aregular\s/x : $seen->{kind} eq 'directory';
        if (!$fits) { push @troubles, "$name is a $seen->{kind}"; next }
        push @troubles, "$name belongs to uid $seen->{uid}, so sshd takes no key" if $seen->{uid} != 0 && $seen->{uid} != $user->{uid};
        push @troubles, sprintf '%s can be written by others (mode %04o), so sshd takes no key', $name, $seen->{mode} if $seen->{mode} & oct 22;
    }
    return @troubles;
}

# A user's key file, read as that user, as sshd does: a symbolic link there reaches only what they may read anyway.
sub key_file {
    my ($vmid, $user, $file) = @_;
    my $read = inside($vmid, ['runuser', '-u', $user->{name}, '--', 'head', '-c', '262145', '--', $file], { wait => 10 });
    missing_inside($vmid, ['runuser'], "the keys in CT $vmid were not read") if defined $read->{code} && $read->{code} == 127;
    return { why => reason($read) } if !ok($read);
    return { why => 'it is larger than 262144 bytes' } if length $read->{out} > 262_144;
    return { text => $read->{out} };
}

sub named_user {
    my ($vmid, $name) = @_;
    my ($user) = grep { $_->{name} eq $name } users_of($vmid);
    return $user;
}

sub person_or_fault {
    my ($vmid, $user) = @_;
    fault('forbidden', "$user->{name} in CT $vmid was not touched", "it is an account of the system (uid $user->{uid})", 'choose another name')
      if $user->{uid} < 1000 || $user->{uid} >= 65_534;
    return;
}

sub ensure_state {
    my ($args, $user, $there) = @_;
    my $has_sudo = $there->{ sudo_file($args->{user}) } ? 1 : 0;
    return { state => 'absent', evidence => "no account $args->{user}" } if !$user;
    my $evidence = "account $args->{user}, uid $user->{uid}, " . ($user->{gecos} eq gecos_of($args->{marker}) ? 'with' : 'without') . " the marker, " . ($has_sudo ? 'with' : 'without') . ' our sudo line';
    return { state => 'partial', evidence => $evidence } if $has_sudo != $args->{sudo};
    return { state => $user->{gecos} eq gecos_of($args->{marker}) ? 'done' : 'already', evidence => $evidence };
}

sub ct_user_ensure_probe {
    my ($args) = @_;
    must_run($args->{vmid}, $args->{mac});
    return ensure_state($args, named_user($args->{vmid}, $args->{user}), existing($args->{vmid}, sudo_file($args->{user})));
}

sub ct_user_ensure {
    my ($args, $config) = @_;
    my ($vmid, $name) = @{$args}{qw(vmid user)};
    my $what = "$name was not set up in CT $vmid";
    fault('forbidden', $what, 'this node does not allow sudo for people', "set sudo to true in $CONFIG") if $args->{sudo} && !$config->{sudo};
    must_run($vmid, $args->{mac});
    my $user = named_user($vmid, $name);
    my $there = existing($vmid, sudo_file($name), '/etc/sudoers.d', '/bin/bash');
    if ($user) {
        person_or_fault($vmid, $user);
        fault('conflict', $what, 'an account of this name is there already and was not made by Bascule', 'adopt it first, or choose another name')
          if $user->{gecos} !~ /\Abascule=/x && !$args->{adopt};
    }
    fault('conflict', $what, "CT $vmid has no sudo", 'install sudo in it, or grant without sudo') if $args->{sudo} && !$there->{'/etc/sudoers.d'};
    my $made = 0;
    if (!$user) {
        # '*' and not '!': sshd without PAM refuses an account whose password begins with '!'.
        must_inside($vmid, ['useradd', '--create-home', '--password', q{*}, '--comment', gecos_of($args->{marker}), '--shell', ($there->{'/bin/bash'} ? '/bin/bash' : '/bin/sh'), '--', $name],
            { changes => 1 }, $what);
        $made = 1;
    }
    my $sudo = set_sudo($vmid, $name, $args->{sudo}, $there->{ sudo_file($name) }, $what);
    return { vmid => $vmid, user => $name, made => flag($made), sudo => flag($args->{sudo}), changed => flag($made || $sudo) };
}

# Writes or removes our own file in sudoers.d. sudo skips names with a dot, so a half-written one counts for nothing.
sub set_sudo {
    my ($vmid, $name, $wanted, $there, $what) = @_;
    my $file = sudo_file($name);
    return 0 if !$wanted && !$there;
    if (!$wanted) {
        must_inside($vmid, ['rm', '-f', '--', $file], { changes => 1 }, $what);
        return 1;
    }
    return 0 if $there;
    my $new = "$file.new";
    must_inside($vmid, ['rm', '-f', '--', $new], { changes => 1 }, $what);
    must_inside($vmid, ['dd', "of=$new", 'conv=excl,fsync', 'status=none'], { stdin => "$name ALL=(ALL:ALL) NOPASSWD: ALL\n", changes => 1 }, $what);
    must_inside($vmid, ['chmod', '0440', '--', $new], { changes => 1 }, $what);
    must_inside($vmid, ['mv', '-T', '-f', '--', $new, $file], { changes => 1 }, $what);
    return 1;
}

sub ct_user_remove_probe {
    my ($args) = @_;
    must_run($args->{vmid}, $args->{mac});
    my $user = named_user($args->{vmid}, $args->{user});
    my $there = existing($args->{vmid}, sudo_file($args->{user}));
    return { state => 'absent', evidence => "account $args->{user}, uid $user->{uid}, is there" } if $user;
    return { state => 'partial', evidence => "no account $args->{user}, but its sudo line is left" } if %{$there};
    return { state => 'already', evidence => "no account $args->{user}; who removed it is not recorded" };
}

sub ct_user_remove {
    my ($args) = @_;
    my ($vmid, $name) = @{$args}{qw(vmid user)};
    my $what = "$name was not removed from CT $vmid";
    must_run($vmid, $args->{mac});
    my $user = named_user($vmid, $name);
    my $there = existing($vmid, sudo_file($name));
    if ($user) {
        person_or_fault($vmid, $user);
        fault('conflict', $what, 'the account was not made by Bascule', 'adopt it first, or remove it by hand') if $user->{gecos} !~ /\Abascule=/x && !$args->{adopt};
    }
    set_sudo($vmid, $name, 0, $there->{ sudo_file($name) }, $what);
    remove_account($vmid, $name, $args->{home}, $what) if $user;
    return { vmid => $vmid, user => $name, removed => flag($user), home => $args->{home}, changed => flag($user || %{$there}) };
}

# No new login first, then the processes, then the account; userdel refuses (8) while a process is left.
sub remove_account {
    my ($vmid, $name, $home, $what) = @_;
    must_inside($vmid, ['usermod', '--expiredate', '1', '--', $name], { changes => 1 }, $what);
    my $delete = ['userdel', ($home eq 'remove' ? '--remove' : ()), '--', $name];
    if ($DRY_RUN) { must_inside($vmid, $delete, { changes => 1 }, $what); return }
    for my $try (1 .. 5) {
        my $killed = inside($vmid, ['pkill', '-KILL', '-u', $name], {});
        fault('unavailable', $what, "CT $vmid has no pkill, so the account's processes cannot be ended", 'install procps in the container')
          if defined $killed->{code} && $killed->{code} == 127;
        my $result = inside($vmid, $delete, { wait => 120 });
        return if ok($result) || (defined $result->{code} && ($result->{code} == 6 || $result->{code} == 12));
        next if defined $result->{code} && $result->{code} == 8;
        fault('refused', $what, "userdel in CT $vmid said: " . reason($result), 'look inside the container');
    }
    return fault('conflict', $what, 'its processes do not end', 'restart the container, then try again');
}

my %USER = (vmid => [\&a_vmid, 1], mac => [\&a_mac, 0], user => [\&a_user, 1]);
$VERB{'ct.users'} = { args => { vmid => [\&a_vmid, 1] }, run => \&ct_users };
$VERB{'ct.user.ensure'} = {
    args => { %USER, marker => [\&a_marker, 1], sudo => [\&a_flag, 1], adopt => [\&a_flag, 0] },
    changes => 'vmid', run => \&ct_user_ensure, probe => \&ct_user_ensure_probe,
};
$VERB{'ct.user.remove'} = {
    args => { %USER, home => [sub { return a_text(@_, qr/\A(keep|remove)\z/x, 'keep or remove') }, 1], adopt => [\&a_flag, 0] },
    changes => 'vmid', run => \&ct_user_remove, probe => \&ct_user_remove_probe,
};
