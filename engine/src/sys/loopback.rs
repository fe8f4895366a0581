//! The loopback interface of this network namespace.

use std::io;
use std::os::fd::AsRawFd;

/// Switches `lo` on, which a new network namespace has switched off.
#[expect(unsafe_code, reason = "interface flags are set by an ioctl that has no safe wrapper")]
pub fn up() -> io::Result<()> {
    /// `struct ifreq` of `linux/if.h`: name, then a union of which the flags are the first two bytes.
    #[repr(C)]
    struct Request {
        name: [u8; 16],
        flags: libc::c_short,
        rest: [u8; 22],
    }
    let socket = rustix::net::socket_with(
        rustix::net::AddressFamily::INET,
        rustix::net::SocketType::DGRAM,
        rustix::net::SocketFlags::CLOEXEC,
        None,
    )?;
    let mut request =
        Request { name: [0; 16], flags: (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short, rest: [0; 22] };
    request.name[..2].copy_from_slice(b"lo");
    // SAFETY: the descriptor is an open socket and `request` has the size and layout of `struct ifreq`, which the kernel
    // only reads here.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
