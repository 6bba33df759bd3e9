
# ---- answers ------------------------------------------------------------------------------------------------

# Exit code of each kind of failure; 0 is an answer with "ok": true. The kinds are those of Bascule itself.
our %EXIT = (
    'bad-input'    => 2,
    'not-found'    => 3,
    'forbidden'    => 4,
    'conflict'     => 5,
    'unavailable'  => 6,
    'refused'      => 7,
    'changed'      => 8,
    'in-doubt'     => 9,
    'internal'     => 10,
);

# Ends the call with an expected failure.
sub fault {
    my ($kind, $what, $why, $next) = @_;
    die { kind => $kind, what => $what, why => $why, next => $next };
}

sub bad_input {
    my ($why) = @_;
    return fault('bad-input', 'nothing was done', $why, 'correct the request; the verbs and their fields are in the README');
}

sub is_fault {
    my ($error) = @_;
    return ref $error eq 'HASH' && defined $error->{kind} && exists $EXIT{ $error->{kind} };
}

# Bytes from a container or a command as text: UTF-8 where they are that, otherwise visible as \xNN.
# Control characters never reach the answer as themselves.
sub visible {
    my ($bytes, $limit) = @_;
    return '' if !defined $bytes;
    $limit ||= 2000;
    my $cut = length $bytes > $limit;
    my $text = $cut ? substr $bytes, 0, $limit : $bytes;
    if (!utf8::decode($text)) {
        $text =~ s/([^\x20-\x7e\n\t])/sprintf '\\x%02x', ord $1/gex;
    }
    $text =~ s/([\x00-\x08\x0b-\x1f\x7f-\x9f])/sprintf '\\x%02x', ord $1/gex;
    return $cut ? "$text…" : $text;
}

# One line of it, for "why".
sub one_line {
    my ($bytes) = @_;
    my $text = visible($bytes, 400);
    $text =~ s/\s+/ /gx;
    $text =~ s/\A[ ]|[ ]\z//gx;
    return $text;
}

sub encode {
    my ($answer) = @_;
    return JSON::PP->new->ascii->canonical->encode($answer) . "\n";
}

sub true  { return JSON::PP::true() }
sub false { return JSON::PP::false() }
sub flag  { my ($value) = @_; return $value ? true() : false() }
