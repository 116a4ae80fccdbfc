"""Real and drawn pictures in, numbers that say how good the drawn ones are out.

    name        unit, best            what it is
    l1          levels of 255, 0      mean absolute difference
    psnr        dB, high              peak signal-to-noise ratio, mean over frames
    ssim        -1 to 1, 1            structural similarity, Gaussian window
    perceptual  0 up, 0               ST-LPIPS on VGG16, of frames spread over the clip
    csim        -1 to 1, 1            cosine of two faces' embeddings
    ard         degrees, 0            mean difference of the heads' Euler angles
    au_h        0 to 1, 0             share of action units that differ
    are         degrees, 0            mean Euler angle of a head that was asked to look straight ahead
    flicker     levels of 255, 0      mean absolute change of the error from one frame to the next
    mouth       levels of 255, 0      mean absolute difference around the mouth
    lost        0 to 1, 0             share of drawn pictures in which no face is found
    frechet_*   0 up, 0               Fréchet distance of the faces' embeddings, over all clips; with `video`, of their
                                      changes from one frame to the next
    fid         0 up, 0               the same of the pictures' features, for who has Inception

Most stand in for a metric of the HeadGAN paper (section 4) whose network is in no public package; where the network is
another, so are the numbers, and the name says so. Each module states the source and the limits of its own.
"""
