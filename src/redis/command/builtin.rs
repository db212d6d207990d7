//! The commands known without asking a server: those of Redis 6.2 to 8 and of Valkey.
//!
//! Taken from the reply to `COMMAND`, which a test compares it with for each server of
//! `make matrix`, and from the command descriptions of other versions. It serves before the server was asked, where it
//! must not be (`COMMAND` may be forbidden to the user), and for what older servers do not tell.

use crate::redis::command::keys::{KeyRule, KeySpec};
use crate::redis::command::spec::Flags;

/// Commands with the same flags and the same key rule: their names separated by spaces, in lower
/// case, those of subcommands like `object|encoding`.
type Group = (Flags, KeyRule, &'static str);

const OTHER: Flags = Flags {
    readonly: false,
    write: false,
    blocking: false,
    pubsub: false,
    container: false,
};
const READ: Flags = Flags {
    readonly: true,
    ..OTHER
};
const WRITE: Flags = Flags {
    write: true,
    ..OTHER
};
const BLOCK: Flags = Flags {
    blocking: true,
    ..OTHER
};
const READ_BLOCK: Flags = Flags {
    blocking: true,
    ..READ
};
const WRITE_BLOCK: Flags = Flags {
    blocking: true,
    ..WRITE
};
const PUBSUB: Flags = Flags {
    pubsub: true,
    ..OTHER
};
const CONTAINER: Flags = Flags {
    container: true,
    ..OTHER
};

/// As in [`KeySpec::Range`].
fn range(first: u16, last: i16, step: u16) -> KeyRule {
    KeyRule::from(vec![KeySpec::range(first, last, step)])
}

/// Number of keys, keys.
fn counted(count_at: u16) -> KeyRule {
    KeyRule::from(vec![KeySpec::counted(count_at)])
}

/// Options, `STREAMS`, keys, as many identifiers.
fn streams(from: i16) -> KeyRule {
    KeyRule::from(vec![KeySpec::after("STREAMS", from, -1, 2)])
}

/// Key, and where to store.
fn georadius(options: i16) -> KeyRule {
    KeyRule::from(vec![
        KeySpec::range(1, 0, 1),
        KeySpec::after("STORE", options, 0, 0),
        KeySpec::after("STOREDIST", options, 0, 0),
    ])
}

pub(super) fn groups() -> Vec<Group> {
    let none = KeyRule::none;
    let one = || range(1, 0, 1);
    let two = || range(1, 1, 1);
    let all = || range(1, -1, 1);
    let all_but_first = || range(2, -1, 1);
    let all_but_last = || range(1, -2, 1);
    let after_subcommand = || range(2, 0, 1);
    let pairs = || range(1, -1, 2);
    let counted_pairs = || KeyRule::from(vec![KeySpec::counted_by(1, 2)]);
    let store_counted = || KeyRule::from(vec![KeySpec::range(1, 0, 1), KeySpec::counted(2)]);
    let strings_or_keys = || KeyRule::from(vec![KeySpec::after("KEYS", 2, 1, 0)]);
    let sort = || KeyRule::from(vec![KeySpec::range(1, 0, 1), KeySpec::SortStore]);
    let migrate = || KeyRule::from(vec![KeySpec::Migrate]);
    vec![
        // Any type of key.
        (
            READ,
            one(),
            "dump expiretime pexpiretime pttl sort_ro ttl type digest",
        ),
        (READ, all(), "exists touch"),
        (READ, none(), "dbsize keys randomkey scan lolwut"),
        (
            READ,
            after_subcommand(),
            "object|encoding object|freq object|idletime object|refcount memory|usage",
        ),
        (
            WRITE,
            one(),
            "expire expireat move persist pexpire pexpireat restore restore-asking",
        ),
        (WRITE, all(), "del unlink"),
        (WRITE, two(), "copy rename renamenx"),
        (WRITE, none(), "flushall flushdb sflush swapdb"),
        (WRITE, sort(), "sort"),
        (WRITE, migrate(), "migrate"),
        // Strings and bits.
        (
            READ,
            one(),
            "bitcount bitfield_ro bitpos get getbit getrange strlen substr",
        ),
        (READ, two(), "lcs"),
        // Redis 6.2 only: what LCS was.
        (READ, strings_or_keys(), "stralgo"),
        (READ, all(), "mget"),
        (
            WRITE,
            one(),
            "append bitfield decr decrby getdel getex getset incr incrby incrbyfloat psetex \
             set setbit setex setnx setrange delex delifeq",
        ),
        (WRITE, pairs(), "mset msetnx"),
        (WRITE, counted_pairs(), "msetex"),
        (WRITE, all_but_first(), "bitop"),
        // Hashes.
        (
            READ,
            one(),
            "hexists hget hgetall hkeys hlen hmget hrandfield hscan hstrlen hvals hexpiretime \
             hpexpiretime hpttl httl",
        ),
        (
            WRITE,
            one(),
            "hdel hgetdel hgetex hincrby hincrbyfloat hmset hset hsetex hsetnx hexpire \
             hexpireat hpersist hpexpire hpexpireat",
        ),
        // Lists.
        (READ, one(), "lindex llen lpos lrange"),
        (
            WRITE,
            one(),
            "linsert lpop lpush lpushx lrem lset ltrim rpop rpush rpushx",
        ),
        (WRITE, two(), "lmove rpoplpush"),
        (WRITE, counted(1), "lmpop"),
        (WRITE_BLOCK, two(), "blmove brpoplpush"),
        (WRITE_BLOCK, all_but_last(), "blpop brpop"),
        (WRITE_BLOCK, counted(2), "blmpop"),
        // Sets.
        (
            READ,
            one(),
            "scard sismember smembers smismember srandmember sscan",
        ),
        (READ, all(), "sdiff sinter sunion"),
        (READ, counted(1), "sintercard"),
        (WRITE, one(), "sadd spop srem"),
        (WRITE, two(), "smove"),
        (WRITE, all(), "sdiffstore sinterstore sunionstore"),
        // Sorted sets and places.
        (
            READ,
            one(),
            "zcard zcount zlexcount zmscore zrandmember zrange zrangebylex zrangebyscore \
             zrank zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore",
        ),
        (READ, counted(1), "zdiff zinter zintercard zunion"),
        (
            WRITE,
            one(),
            "zadd zincrby zpopmax zpopmin zrem zremrangebylex zremrangebyrank \
             zremrangebyscore",
        ),
        (WRITE, two(), "zrangestore"),
        (WRITE, counted(1), "zmpop"),
        (WRITE, store_counted(), "zdiffstore zinterstore zunionstore"),
        (WRITE_BLOCK, all_but_last(), "bzpopmax bzpopmin"),
        (WRITE_BLOCK, counted(2), "bzmpop"),
        (
            READ,
            one(),
            "geodist geohash geopos georadius_ro georadiusbymember_ro geosearch",
        ),
        (WRITE, one(), "geoadd"),
        (WRITE, two(), "geosearchstore"),
        (WRITE, georadius(6), "georadius"),
        (WRITE, georadius(5), "georadiusbymember"),
        // HyperLogLogs and vector sets.
        (READ, all(), "pfcount"),
        (WRITE, one(), "pfadd"),
        (WRITE, all(), "pfmerge"),
        (WRITE, after_subcommand(), "pfdebug"),
        (OTHER, none(), "pfselftest"),
        (
            READ,
            one(),
            "vcard vdim vemb vgetattr vinfo vismember vlinks vrandmember vrange vsim",
        ),
        (WRITE, one(), "vadd vrem vsetattr"),
        // Streams.
        (READ, one(), "xlen xpending xrange xrevrange"),
        (
            READ,
            after_subcommand(),
            "xinfo|consumers xinfo|groups xinfo|stream",
        ),
        (READ_BLOCK, streams(1), "xread"),
        (
            WRITE,
            one(),
            "xack xackdel xadd xautoclaim xcfgset xclaim xdel xdelex xsetid xtrim",
        ),
        (
            WRITE,
            after_subcommand(),
            "xgroup|create xgroup|createconsumer xgroup|delconsumer xgroup|destroy \
             xgroup|setid",
        ),
        (WRITE_BLOCK, streams(4), "xreadgroup"),
        // Scripts and functions. What they do, nobody knows, but for the read-only forms.
        (OTHER, counted(2), "eval evalsha fcall"),
        (READ, counted(2), "eval_ro evalsha_ro fcall_ro"),
        (
            OTHER,
            none(),
            "script|debug script|exists script|flush script|help script|kill script|load \
             script|show function|dump function|help function|kill function|list \
             function|stats",
        ),
        (
            WRITE,
            none(),
            "function|delete function|flush function|load function|restore",
        ),
        // Publish and subscribe. The channels of sharded ones belong to slots, as keys do.
        (
            PUBSUB,
            none(),
            "psubscribe publish punsubscribe subscribe unsubscribe pubsub|channels \
             pubsub|numpat pubsub|numsub pubsub|shardchannels pubsub|shardnumsub",
        ),
        (PUBSUB, one(), "spublish"),
        (PUBSUB, all(), "ssubscribe sunsubscribe"),
        // The connection and transactions.
        (
            OTHER,
            none(),
            "asking auth discard echo exec hello multi ping quit readonly readwrite reset \
             select unwatch",
        ),
        (OTHER, all(), "watch"),
        (
            OTHER,
            none(),
            "client|caching client|capa client|getname client|getredir client|help client|id \
             client|import-source client|info client|kill client|list client|no-evict \
             client|no-touch client|pause client|reply client|setinfo client|setname \
             client|tracking client|trackinginfo client|unblock client|unpause",
        ),
        // The server and the cluster.
        (
            OTHER,
            none(),
            "bgrewriteaof bgsave debug failover info lastsave monitor psync replconf \
             replicaof role save shutdown slaveof sync time",
        ),
        // Its cursor tells the slot.
        (READ, one(), "clusterscan"),
        (WRITE, none(), "cluster|flushslot"),
        // Redis 7.0 does not say so of WAIT; later versions do.
        (BLOCK, none(), "wait waitaof"),
        (
            CONTAINER,
            none(),
            "acl client cluster command commandlog config function latency memory module object pubsub \
             script slowlog xgroup xinfo",
        ),
    ]
}
