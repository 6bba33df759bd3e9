
# ---- the fields of a request --------------------------------------------------------------------------------
# Each check takes a tainted value and returns a clean one, or ends the call. A regular expression's capture is
# the only thing that cleans, so a field nobody checked makes perl itself refuse to run a command with it.

# Was it a JSON number (true), or a string? Looked at before anything turns one into the other.
sub is_number {
    my ($value) = @_;
    my $flags = B::svref_2object(\$value)->FLAGS;
    return ($flags & (B::SVf_IOK | B::SVf_NOK)) && !($flags & B::SVf_POK);
}

sub a_text {
    my ($name, $value, $pattern, $meaning) = @_;
    bad_input("$name is not a text") if !defined $value || ref $value || is_number($value);
    return $1 if $value =~ $pattern;
    return bad_input("$name is not $meaning");
}

sub a_vmid {
    my ($name, $value) = @_;
    bad_input("$name is not a number") if !defined $value || ref $value || !is_number($value);
    return $1 + 0 if $value =~ /\A([1-9][0-9]{2,8})\z/x;
    return bad_input("$name is not a guest's number (100 to 999999999)");
}

# The network card net0, by which a guest is known again.
sub a_mac {
    my ($name, $value) = @_;
    return a_text($name, $value, qr/\A([0-9A-F]{2}(?::[0-9A-F]{2}){5})\z/x, 'a MAC address (BC:24:11:00:01:03)');
}

sub a_flag {
    my ($name, $value) = @_;
    bad_input("$name is neither true nor false") if !JSON::PP::is_bool($value);
    return $value ? 1 : 0;
}

sub an_id {
    my ($name, $value) = @_;
    return a_text($name, $value, qr/\A([A-Za-z0-9][A-Za-z0-9._:-]{0,63})\z/x, 'an id (letters, digits, . _ : -, at most 64)');
}

sub a_marker {
    my ($name, $value) = @_;
    return a_text($name, $value, qr/\A(bascule:[A-Za-z0-9][A-Za-z0-9._:-]{0,63})\z/x, 'a marker of ours (bascule:ID)');
}

# useradd's own rule without dots and capitals: a dot would make sudo skip the file in sudoers.d.
sub a_user {
    my ($name, $value) = @_;
    return a_text($name, $value, qr/\A([a-z_][a-z0-9_-]{0,31})\z/x, 'a user name (a-z, 0-9, _ and -, at most 32, not a digit first)');
}

sub a_script {
    my ($name, $value) = @_;
    my $text = a_text($name, $value, qr/\A(\#!\/[^\0]{1,65000})\z/xs, 'a script that begins with #! (at most 65000 characters, no NUL)');
    utf8::encode($text);
    return $text;
}

sub an_upid {
    my ($name, $value) = @_;
    return a_text(
        $name, $value,
        qr/\A(UPID:[A-Za-z0-9-]{1,63}:[0-9A-F]{8}:[0-9A-F]{8,9}:[0-9A-F]{8}:[a-z0-9]{1,32}:[0-9]{0,9}:[A-Za-z0-9@!._-]{1,120}:)\z/x,
        'a task id (UPID:…)'
    );
}

sub lines {
    my ($name, $value) = @_;
    bad_input("$name is not a list") if ref $value ne 'ARRAY';
    bad_input("$name has more than 200 lines") if @{$value} > 200;
    return [map { a_text("$name\[$_]", $value->[$_], qr/\A([\x20-\x7e]{1,16384})\z/x, 'one line of printable ASCII') } 0 .. $#{$value}];
}

# Checks args against a verb's table {name => [check, needed?]}: every field known, every needed one there.
sub checked_args {
    my ($verb, $args) = @_;
    my $table = $VERB{$verb}{args};
    for my $name (keys %{$args}) {
        bad_input("$verb knows no field named " . one_line(bytes_of($name))) if !exists $table->{$name};
    }
    my %clean;
    for my $name (sort keys %{$table}) {
        my ($check, $needed) = @{ $table->{$name} };
        if (exists $args->{$name}) {
            $clean{$name} = $check->($name, $args->{$name});
        }
        elsif ($needed) {
            bad_input("$verb needs the field $name");
        }
    }
    return \%clean;
}

sub bytes_of {
    my ($text) = @_;
    utf8::encode($text);
    return $text;
}

# Ties every text of a decoded request to the taint of what was read, whatever the JSON reader does inside.
sub tainted {
    my ($value, $taint) = @_;
    return { map { $_ => tainted($value->{$_}, $taint) } keys %{$value} } if ref $value eq 'HASH';
    return [map { tainted($_, $taint) } @{$value}] if ref $value eq 'ARRAY';
    return $value if !defined $value || ref $value || is_number($value);
    return $value . $taint;
}
