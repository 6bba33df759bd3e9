
# ---- lines of authorized_keys ---------------------------------------------------------------------------------

my %CURVE = ('ecdsa-sha2-nistp256' => ['nistp256', 65], 'ecdsa-sha2-nistp384' => ['nistp384', 97], 'ecdsa-sha2-nistp521' => ['nistp521', 133]);
my $KEY_TYPE = qr/(?:ssh-(?:rsa|dss|ed25519|ed448)|ecdsa-sha2-nistp(?:256|384|521)|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)\@openssh[.]com|[a-z0-9-]+-cert-v01\@openssh[.]com)/x;

# Splits a line as sshd does: options end at the first blank outside quotes. undef for what is no key line.
sub key_line {
    my ($line) = @_;
    $line =~ s/\A[ \t]+|[ \t\r]+\z//gx;
    return if $line eq '' || $line =~ /\A\#/x;
    if ($line =~ /\A($KEY_TYPE)[ \t]+(\S+)(?:[ \t]+(.*))?\z/xs) {
        return { options => '', type => $1, base64 => $2, comment => $3 // '' };
    }
    if ($line =~ /\A((?:[^"\s]|"(?:[^"\\]|\\.)*")+)[ \t]+($KEY_TYPE)[ \t]+(\S+)(?:[ \t]+(.*))?\z/xs) {
        return { options => $1, type => $2, base64 => $3, comment => $4 // '' };
    }
    return;
}

# As ssh-keygen -l prints it. undef when the base64 is none.
sub fingerprint {
    my ($base64) = @_;
    return if $base64 !~ m{\A[A-Za-z0-9+/]+={0,2}\z}x || length($base64) % 4;
    my $sum = Digest::SHA::sha256_base64(MIME::Base64::decode_base64($base64));
    return "SHA256:$sum";
}

# The parts of a key blob: SSH strings, nothing before, between or after them. undef when it is not made so.
sub blob_parts {
    my ($blob) = @_;
    my @parts;
    while (length $blob) {
        return if length $blob < 4;
        my $length = unpack 'N', $blob;
        return if $length > length($blob) - 4;
        push @parts, substr $blob, 4, $length;
        $blob = substr $blob, 4 + $length;
    }
    return @parts;
}

sub bits {
    my ($integer) = @_;
    $integer =~ s/\A\0+//x;
    return 0 if $integer eq '';
    return 8 * (length($integer) - 1) + length sprintf '%b', ord $integer;
}

# Why a key is not one we would write, or undef when it is sound.
sub key_flaw {
    my ($type, $base64) = @_;
    return 'is not base64' if !defined fingerprint($base64);
    my $blob = MIME::Base64::decode_base64($base64);
    return 'is not base64 in its shortest form' if MIME::Base64::encode_base64($blob, '') ne $base64;
    my @parts = blob_parts($blob);
    return 'is damaged' if !@parts || $parts[0] ne $type;
    my $shape = join ',', map { length } @parts[1 .. $#parts];
    if ($type eq 'ssh-ed25519') { return $shape eq '32' ? undef : 'is damaged' }    ## no critic (ProhibitExplicitReturnUndef)
    if ($type eq 'sk-ssh-ed25519@openssh.com') { return @parts == 3 && length $parts[1] == 32 && length $parts[2] ? undef : 'is damaged' }
    if ($type eq 'ssh-rsa') {
        return 'is damaged' if @parts != 3 || bits($parts[1]) < 2;
        return bits($parts[2]) < 2048 ? 'is an RSA key of ' . bits($parts[2]) . ' bits, at least 2048 are needed' : undef;
    }
    (my $plain = $type) =~ s/\Ask-(.*)\@openssh[.]com\z/$1/x;
    my $curve = $CURVE{$plain} or return 'is of a type that is not taken';
    my $fields = $plain eq $type ? 3 : 4;
    return @parts == $fields && $parts[1] eq $curve->[0] && length $parts[2] == $curve->[1] && ord($parts[2]) == 4 ? undef : 'is damaged';
}

# Splits options at the commas outside quotes.
sub option_list {
    my ($options) = @_;
    return $options =~ /((?:[^",]|"(?:[^"\\]|\\.)*")+)/gx;
}

my $ADDRESS = qr/(?:[0-9]{1,3}(?:[.][0-9]{1,3}){3}|\[[0-9A-Fa-f:.]{2,45}\])/x;
my $PORT    = qr/[1-9][0-9]{0,4}/x;
my $SOURCES = qr{!?[0-9A-Fa-f:.]{2,45}(?:/[0-9]{1,3})?}x;

# Options that only take away, or give back what `restrict` took. No command=, no environment=, no tunnel.
my $OPTION = qr{\A(?:restrict|pty|agent-forwarding|port-forwarding|X11-forwarding
    |no-(?:pty|agent-forwarding|port-forwarding|X11-forwarding|user-rc)
    |expiry-time="[0-9]{8}(?:[0-9]{4}(?:[0-9]{2})?)?Z"
    |from="$SOURCES(?:,$SOURCES)*"
    |permitopen="$ADDRESS:$PORT")\z}x;

# A line of a request, checked part by part and put together again from the clean parts.
# jump: a line for a jump account, which must be restricted to forwarding to named addresses.
sub our_line {
    my ($name, $line, $marker, $jump) = @_;
    my $key = key_line($line) or bad_input("$name is not a key line");
    my @options;
    for my $option (option_list($key->{options})) {
        bad_input("$name has an option that is not allowed: " . one_line($option)) if $option !~ /($OPTION)/x;
        push @options, $1;
    }
    bad_input("$name has options that cannot be read") if join(',', @options) ne $key->{options};
    my ($type) = $key->{type} =~ /\A((?:ssh-(?:rsa|ed25519)|ecdsa-sha2-nistp(?:256|384|521)|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)\@openssh[.]com))\z/x
      or bad_input("$name has a key of a type that is not taken: $key->{type}");
    my ($base64) = $key->{base64} =~ m{\A([A-Za-z0-9+/]{40,16000}={0,2})\z}x or bad_input("the key of $name is not base64");
    my $flaw = key_flaw($type, $base64);
    bad_input("the key of $name $flaw") if defined $flaw;
    bad_input("$name does not end with the marker $marker") if $key->{comment} ne $marker;
    jump_rules($name, @options) if $jump;
    return join ' ', (@options ? join(',', @options) : ()), $type, $base64, $marker;
}

sub jump_rules {
    my ($name, @options) = @_;
    my %has = map { (/\A([A-Za-z0-9-]+)/x ? $1 : '') => 1 } @options;
    for my $needed (qw(restrict port-forwarding permitopen expiry-time)) {
        bad_input("$name is for a jump account and lacks $needed") if !$has{$needed};
    }
    for my $extra (grep { !/\A(?:restrict|port-forwarding|permitopen|expiry-time|from)\z/x } sort keys %has) {
        bad_input("$name is for a jump account and may not have $extra");
    }
    bad_input("$name has port-forwarding twice") if 1 < grep { $_ eq 'port-forwarding' } @options;
    return;
}

# Is this line of a file ours? Its comment begins with the marker (or with any marker of ours).
sub marker_of {
    my ($key) = @_;
    return $1 if $key && $key->{comment} =~ /\A(bascule:[A-Za-z0-9][A-Za-z0-9._:-]{0,63})(?:\s|\z)/x;
    return;
}

# The file with the marker's lines replaced: foreign lines stay byte for byte, ours go to the end.
sub merged {
    my ($old, $marker, @lines) = @_;
    my @kept = grep { my $its = marker_of(key_line($_)); !defined $its || $its ne $marker } $old =~ /([^\n]*\n|[^\n]+\z)/gx;
    my $text = join '', @kept;
    $text .= "\n" if @lines && $text ne '' && $text !~ /\n\z/x;
    return $text . join '', map { "$_\n" } @lines;
}

# The file with the marker put into foreign lines of these keys, or taken out of them again: right behind the key, so
# that everything else of the line stays, and nobody gets in who could not before. Lines with options stay as they are.
sub remarked {
    my ($old, $marker, $how, @lines) = @_;
    my %wanted = map { (key_line($_)->{base64} => 1) } @lines;
    my $text = '';
    for my $line ($old =~ /([^\n]*\n|[^\n]+\z)/gx) {
        my $key = key_line($line =~ s/\n\z//rx);
        my $its = marker_of($key) // '';
        if ($key && $key->{options} eq '' && $wanted{ $key->{base64} }) {
            $line =~ s/\A([ \t]*\S+[ \t]+\S+)/$1 $marker/x if $how eq 'adopt' && $its eq '';
            $line =~ s/\A([ \t]*\S+[ \t]+\S+)[ ]\Q$marker\E(?=\s|\z)/$1/x if $how eq 'release' && $its eq $marker;
        }
        $text .= $line;
    }
    return $text;
}

# Lines of ours with this marker as they stand in a file.
sub marked_lines {
    my ($text, $marker) = @_;
    return grep { my $its = marker_of(key_line($_)); defined $its && $its eq $marker } split /\n/x, $text;
}

# A file's key lines as facts. Anything that is neither a key nor a comment is told as what it is.
sub key_facts {
    my ($text) = @_;
    my @facts;
    my $number = 0;
    for my $line (split /\n/x, $text) {
        $number++;
        next if $line =~ /\A\s*(?:\#.*)?\z/x;
        my $key = key_line($line);
        push @facts, $key
          ? { line => $number, type => $key->{type}, fingerprint => scalar fingerprint($key->{base64}), options => visible($key->{options}, 1000),
            comment => visible($key->{comment}, 200), marker => scalar marker_of($key), ours => flag(defined marker_of($key)) }
          : { line => $number, unreadable => visible($line, 200), ours => false() };
        last if @facts >= 500;
    }
    return @facts;
}

# What a probe says of wanted lines against those that stand there.
sub lines_state {
    my ($text, $marker, @wanted) = @_;
    my @there = marked_lines($text, $marker);
    my $same = join("\n", sort @there) eq join("\n", sort @wanted);
    my $evidence = scalar(@there) . " of " . scalar(@wanted) . " lines carry $marker";
    return { state => 'done', evidence => $evidence } if $same && @wanted;
    return { state => 'already', evidence => "no line carries $marker; who removed them is not recorded" } if $same;
    return { state => 'absent', evidence => $evidence } if !@there;
    return { state => @wanted ? 'partial' : 'absent', evidence => $evidence };
}

# What a probe says of foreign lines that were to be taken over, or given back.
sub remarked_state {
    my ($text, $marker, $how, @wanted) = @_;
    my %marked = map { (key_line($_)->{base64} => 1) } marked_lines($text, $marker);
    my $there = grep { $marked{ key_line($_)->{base64} } } @wanted;
    my $evidence = "$there of " . scalar(@wanted) . " keys carry $marker";
    return { state => 'already', evidence => "$evidence; who took it out is not recorded" } if $how eq 'release' && !$there;
    return { state => 'done', evidence => $evidence } if $how eq 'adopt' && $there == @wanted;
    return { state => $there == ($how eq 'adopt' ? 0 : @wanted) ? 'absent' : 'partial', evidence => $evidence };
}
