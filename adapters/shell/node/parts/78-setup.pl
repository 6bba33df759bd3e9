
# ---- setup.facts: how this node is set up for Bascule, for the doctor ------------------------------------------

my @SETUP_FILES = (['helper', \$SELF], ['config', \$CONFIG], ['sudoers', \$SUDOERS], ['sshd', \$SSHD_CONFIG]);

# What a file is. Never its text: the bot's own key line is told by its parts.
sub file_fact {
    my ($name, $path) = @_;
    my %fact = (name => $name, path => $path, there => false());
    my @stat = lstat $path or return \%fact;
    $fact{there} = true();
    $fact{sound} = flag(!S_ISLNK($stat[2]) && $stat[4] == $OWNER && !($stat[2] & (S_IWGRP | S_IWOTH)));
    $fact{mode}  = sprintf '%04o', $stat[2] & oct 7777;
    return \%fact if !S_ISREG($stat[2]) || $stat[7] > 1_048_576;
    sysopen my $file, $path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK or return \%fact;
    $fact{sha256} = Digest::SHA->new(256)->addfile($file, 'b')->hexdigest;
    close $file or return \%fact;
    return \%fact;
}

# Each line of the account's key file: its options, and which key.
sub bot_keys {
    my ($path) = @_;
    my $text = eval { trusted_text($path, 65_536) };
    return if !defined $text;
    return map { { options => visible($_->{options}, 500), fingerprint => fingerprint($_->{base64}) // '' } } grep { defined } map { key_line($_) } split /\n/x, $text;
}

# What sshd would do with a login of that account.
sub sshd_facts {
    my ($user) = @_;
    my $said = command('sshd', ['-T', '-C', "user=$user,host=localhost,addr=127.0.0.1"], { wait => 15, limit => 262_144 });
    my %fact = map { /\A(permitrootlogin|authorizedkeysfile|forcecommand|permittty|allowtcpforwarding|x11forwarding)[ ](.*)\z/xs ? ($1 => visible($2, 300)) : () } split /\n/x, $said->{out};
    return %fact ? \%fact : { unreadable => reason($said) };
}

# Lines of `sudo -l -U`: what the account may run.
sub sudo_facts {
    my ($user) = @_;
    my $said = command('sudo', ['-n', '-l', '-U', $user], { wait => 15, limit => 262_144 });
    return map { visible($_, 300) } $said->{out} =~ /^[ ]{4}(\([^\n]*)$/mgx;
}

sub setup_facts {
    my ($args) = @_;
    my ($account, $jump) = @{$args}{qw(account jump)};
    return {
        files => [map { file_fact($_->[0], ${ $_->[1] }) } @SETUP_FILES, ['keys', \"$BOT_KEYS/$account"]],
        keys  => [bot_keys("$BOT_KEYS/$account")],
        sudo  => [sudo_facts($account)],
        sshd  => sshd_facts($account),
        jump  => defined $jump ? sshd_facts($jump) : undef,
    };
}

$VERB{'setup.facts'} = { args => { account => [\&a_user, 1], jump => [\&a_user] }, run => \&setup_facts };
