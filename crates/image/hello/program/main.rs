//! `tare run hello`: shows, from inside, what a container is made of. Reads `/proc` and prints; nothing else.

mod facts;
mod page;

fn main() {
    let now = std::time::SystemTime::now();
    let facts = facts::Facts::gather(now);
    print!("{}", page::render(&facts));
}
