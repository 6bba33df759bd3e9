
# ---- lines of a jump account ----------------------------------------------------------------------------------
# sshd takes the first line of a key that has not ended and looks at no other, so of two grants of one person only one
# would open. Hence each line also carries what the same key's later ending lines open, and the earliest ending one comes
# first: when it ends, the next one opens what is left. A second port-forwarding marks where the borrowed ones begin.

# [own part, key, end, what it opens itself] of a line of ours; nothing for any other.
sub jump_parts {
    my ($line) = @_;
    my $key = key_line($line);
    return if !defined marker_of($key);
    my ($mark, @own) = (0);
    for my $option (option_list($key->{options})) {
        last if $option eq 'port-forwarding' && $mark++;
        push @own, $option;
    }
    my ($end) = map { /\Aexpiry-time="([0-9]{8,14})Z?"\z/x ? $1 : () } @own;
    my @opens = grep { /\Apermitopen=/x } @own;
    return if !$mark || !defined $end || !@opens;
    return { %{$key}, own => join(',', @own), end => $end . '0' x (14 - length $end), opens => \@opens };
}

sub jump_line {
    my ($parts, @borrowed) = @_;
    my $options = join ',', $parts->{own}, (@borrowed ? ('port-forwarding', @borrowed) : ());
    return "$options $parts->{type} $parts->{base64} $parts->{comment}\n";
}

# A file's text with only what each line opens itself: what requests are compared with.
sub unnested {
    my ($text) = @_;
    return join '', map { my $parts = jump_parts($_ =~ s/\n\z//rx); $parts ? jump_line($parts) : $_ } $text =~ /([^\n]*\n|[^\n]+\z)/gx;
}

# The text as sshd needs it: foreign lines as they are, then ours, the earliest ending first.
sub nested {
    my ($text) = @_;
    my (@foreign, @ours);
    for my $line ($text =~ /([^\n]*\n|[^\n]+\z)/gx) {
        my $parts = jump_parts($line =~ s/\n\z//rx);
        if   ($parts) { push @ours,    $parts }
        else          { push @foreign, $line }
    }
    @ours = sort { $a->{end} cmp $b->{end} } @ours;
    my $new = join '', @foreign;
    $new .= "\n" if @ours && $new ne '' && $new !~ /\n\z/x;
    while (my $parts = shift @ours) {
        my %has = map { $_ => 1 } @{ $parts->{opens} };
        $new .= jump_line($parts, grep { !$has{$_}++ } map { @{ $_->{opens} } } grep { $_->{base64} eq $parts->{base64} } @ours);
    }
    return $new;
}
