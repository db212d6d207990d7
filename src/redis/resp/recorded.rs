//! Replies as a server sent them, for tests.

/// The same commands answered by Redis 7.0.15 over RESP2 and over RESP3: command, RESP2, RESP3.
#[rustfmt::skip]
pub(crate) const RECORDED: &[(&str, &[u8], &[u8])] = &[
    (
        "HELLO",
        b"*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:2\r\n$2\r\nid\r\n:11\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n",
        b"%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n$2\r\nid\r\n:12\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n*0\r\n",
    ),
    (
        "SET k v",
        b"+OK\r\n",
        b"+OK\r\n",
    ),
    (
        "PING",
        b"+PONG\r\n",
        b"+PONG\r\n",
    ),
    (
        "DECR n",
        b":-1\r\n",
        b":-2\r\n",
    ),
    (
        "GET missing",
        b"$-1\r\n",
        b"_\r\n",
    ),
    (
        "LPOP missing 2",
        b"*-1\r\n",
        b"_\r\n",
    ),
    (
        "GET bin",
        b"$5\r\n\x00\r\n\xff$\r\n",
        b"$5\r\n\x00\r\n\xff$\r\n",
    ),
    (
        "LPUSH a x",
        b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
        b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n",
    ),
    (
        "MGET a missing",
        b"*2\r\n$1\r\n1\r\n$-1\r\n",
        b"*2\r\n$1\r\n1\r\n_\r\n",
    ),
    (
        "HGETALL h",
        b"*4\r\n$6\r\nfield1\r\n$1\r\nx\r\n$6\r\nfield2\r\n$0\r\n\r\n",
        b"%2\r\n$6\r\nfield1\r\n$1\r\nx\r\n$6\r\nfield2\r\n$0\r\n\r\n",
    ),
    (
        "ZRANGE z 0 -1 WITHSCORES",
        b"*4\r\n$1\r\nm\r\n$3\r\n1.5\r\n$1\r\nn\r\n$3\r\ninf\r\n",
        b"*2\r\n*2\r\n$1\r\nm\r\n,1.5\r\n*2\r\n$1\r\nn\r\n,inf\r\n",
    ),
    (
        "ZSCORE z m",
        b"$3\r\n1.5\r\n",
        b",1.5\r\n",
    ),
    (
        "SMEMBERS s",
        b"*2\r\n$1\r\na\r\n$1\r\nb\r\n",
        b"~2\r\n$1\r\na\r\n$1\r\nb\r\n",
    ),
    (
        "CONFIG GET maxmemory",
        b"*2\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n",
        b"%1\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n",
    ),
    (
        "XREAD STREAMS st 0",
        b"*1\r\n*2\r\n$2\r\nst\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n",
        b"%1\r\n$2\r\nst\r\n*1\r\n*2\r\n$3\r\n1-1\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n",
    ),
    (
        "GEOPOS g P Q",
        b"*2\r\n*2\r\n$20\r\n13.36138933897018433\r\n$20\r\n38.11555639549629859\r\n*-1\r\n",
        b"*2\r\n*2\r\n,13.36138933897018433\r\n,38.11555639549629859\r\n_\r\n",
    ),
    (
        "ZPOPMIN none",
        b"*0\r\n",
        b"*0\r\n",
    ),
    (
        "MULTI",
        b"+OK\r\n",
        b"+OK\r\n",
    ),
    (
        "EXEC",
        b"*3\r\n:1\r\n-WRONGTYPE Operation against a key holding the wrong kind of value\r\n*4\r\n$6\r\nfield1\r\n$1\r\nx\r\n$6\r\nfield2\r\n$0\r\n\r\n",
        b"*3\r\n:2\r\n-WRONGTYPE Operation against a key holding the wrong kind of value\r\n%2\r\n$6\r\nfield1\r\n$1\r\nx\r\n$6\r\nfield2\r\n$0\r\n\r\n",
    ),
    (
        "DEBUG PROTOCOL string",
        b"$11\r\nHello World\r\n",
        b"$11\r\nHello World\r\n",
    ),
    (
        "DEBUG PROTOCOL integer",
        b":12345\r\n",
        b":12345\r\n",
    ),
    (
        "DEBUG PROTOCOL double",
        b"$5\r\n3.141\r\n",
        b",3.141\r\n",
    ),
    (
        "DEBUG PROTOCOL null",
        b"$-1\r\n",
        b"_\r\n",
    ),
    (
        "DEBUG PROTOCOL array",
        b"*3\r\n:0\r\n:1\r\n:2\r\n",
        b"*3\r\n:0\r\n:1\r\n:2\r\n",
    ),
    (
        "DEBUG PROTOCOL set",
        b"*3\r\n:0\r\n:1\r\n:2\r\n",
        b"~3\r\n:0\r\n:1\r\n:2\r\n",
    ),
    (
        "DEBUG PROTOCOL map",
        b"*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0\r\n",
        b"%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n",
    ),
    (
        "DEBUG PROTOCOL attrib",
        b"$39\r\nSome real reply following the attribute\r\n",
        b"|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n$39\r\nSome real reply following the attribute\r\n",
    ),
    (
        "DEBUG PROTOCOL verbatim",
        b"$25\r\nThis is a verbatim\nstring\r\n",
        b"=29\r\ntxt:This is a verbatim\nstring\r\n",
    ),
    (
        "DEBUG PROTOCOL true",
        b":1\r\n",
        b"#t\r\n",
    ),
    (
        "DEBUG PROTOCOL false",
        b":0\r\n",
        b"#f\r\n",
    ),
    (
        "DEBUG PROTOCOL bignum",
        b"$37\r\n1234567999999999999999999999999999999\r\n",
        b"(1234567999999999999999999999999999999\r\n",
    ),
];

/// Out-of-band messages of the same server.
pub(crate) const PUSHED: &[&[u8]] = &[
    b">3\r\n$9\r\nsubscribe\r\n$2\r\nch\r\n:1\r\n",
    b">3\r\n$7\r\nmessage\r\n$2\r\nch\r\n$5\r\nhello\r\n",
    b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\na\r\n",
    b">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n",
];
